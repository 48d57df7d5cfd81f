"""A client in TypeScript that openapi-ts makes of /openapi.json; one in Python is in tests/api/clients."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.audio.samples import recording
from tests.browser.conftest import Pegasus

CLIENTS = Path(__file__).parent / "clients"
STRICT = {
    "strict": True,
    "skipLibCheck": True,
    "target": "es2022",
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "lib": ["es2023", "dom", "dom.iterable"],
    "types": ["node"],
    "outDir": "js",
}
GENERATED = {"input": "openapi.json", "output": {"path": "client", "importFileExtension": ".js"}}
MEMO = recording("m4a")


def run(folder: Path, *command: str) -> str:
    """What a program prints that has ended well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(pegasus: Pegasus, tmp_path: Path) -> Path:
    """A project with the client, and with the program that uses it, both compiled with every check."""
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "include": ["*.ts", "client"]}))
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{pegasus.url}/openapi.json").content)
    (tmp_path / "memo.m4a").write_bytes(MEMO)
    shutil.copy(CLIENTS / "generated.ts", tmp_path)
    (tmp_path / "openapi-ts.config.js").write_text(f"export default {json.dumps(GENERATED)}")
    run(tmp_path, "node_modules/.bin/openapi-ts", "--no-log-file")
    run(tmp_path, "node_modules/.bin/tsc", "--project", ".")
    return tmp_path


def test_it_uploads_finds_and_reads_back(pegasus: Pegasus, folder: Path) -> None:
    """By form and by tus a file arrives as it is, and a refusal has its type; the compiler knows each answer's type."""
    assert json.loads(run(folder, "node", "js/generated.js", pegasus.url, "memo.m4a")) == {
        "name": "Grüße, مذكرة.m4a",
        "listed": [True],
        "downloaded": len(MEMO),
        "statuses": [201, 204],
        "refused": "urn:pegasus:problem:not-audio",
    }
    for shown in httpx.get(f"{pegasus.url}/api/audio/").json()["items"]:
        assert pegasus.path_of(shown["id"]).read_bytes() == MEMO
