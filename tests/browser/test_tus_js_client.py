"""tus-js-client, which many pages upload with, by each protocol that it speaks."""

import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import Pegasus, StartPegasus
from tests.browser.steps import WAV

CLIENTS = Path(__file__).parent / "clients"
PROTOCOLS = ["tus-v1", "ietf-draft-03", "ietf-draft-05"]
CONTENT = WAV + bytes(range(256)) * 4096 * 3


@pytest.fixture
def memo(tmp_path: Path) -> Path:
    """A file with a recording."""
    path = tmp_path / "memo.wav"
    path.write_bytes(CONTENT)
    return path


def start_client(pegasus: Pegasus, protocol: str, memo: Path, how: str) -> subprocess.Popen[str]:
    """Starts an upload."""
    command = ["node", str(CLIENTS / "upload.mjs"), f"{pegasus.url}/api/uploads", protocol, str(memo), how]
    return subprocess.Popen(command, cwd=CLIENTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_upload(pegasus: Pegasus, client: subprocess.Popen[str]) -> None:
    """Checks that an upload has ended well, and is one whole recording."""
    said, errors = client.communicate(timeout=90)
    assert client.returncode == 0, errors
    recording_id = said.split()[-1].rpartition("/")[2]
    [shown] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    assert (shown["id"], shown["original_filename"], shown["tag"]) == (recording_id, "Mémo.wav", "Work")
    assert pegasus.path_of(recording_id).read_bytes() == CONTENT


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", ["whole", "pieces", "resumed"])
def test_it_uploads_and_resumes(pegasus: Pegasus, memo: Path, protocol: str, how: str) -> None:
    """In one request, in pieces, or broken off and gone on with, an upload is a whole recording."""
    check_upload(pegasus, start_client(pegasus, protocol, memo, how))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_outlives_a_kill(start_pegasus: StartPegasus, memo: Path, protocol: str) -> None:
    """Killed in the midst of an upload and started again, the server goes on with it."""
    with ExitStack() as stack:
        pegasus = start_pegasus()
        client = start_client(pegasus, protocol, memo, "slowly")
        while not pegasus.sql("SELECT 1 FROM pegasus_system.uploads"):
            time.sleep(0.05)
        assert pegasus.run is not None
        pegasus.run.process.send_signal(signal.SIGKILL)
        pegasus.run.process.wait()
        pegasus.start(stack)
        check_upload(pegasus, client)
