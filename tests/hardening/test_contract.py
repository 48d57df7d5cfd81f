"""The API keeps what /openapi.json says of it: schemathesis asks, by every check that it has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import ROOT
from tests.api.test_main import forked

HERE = Path(__file__).parent
BACKEND = ROOT / "backend"
SECRET = "hush-hush-hush-hush"
SOAKED = pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(3000)])


@pytest.mark.parametrize("examples", [pytest.param(3, marks=pytest.mark.timeout(300)), SOAKED])
def test_the_api_is_what_it_says(tmp_path: Path, database: str, examples: int) -> None:
    """Good requests and bad ones, in any order, are answered as described, and refused where they have to be."""
    with forked(tmp_path, DATABASE_URL=database, AUTH_TOKENS=f"{SECRET}=ada", MAX_FILE_SIZE_MB="1") as run:
        config = ["--config-file", str(HERE / "schemathesis.toml")]
        command = [str(Path(sys.executable).with_name("schemathesis")), *config, "run"]
        options = ["--checks", "all", "--max-examples", str(examples), "--seed", "1", "--no-color"]
        asked = subprocess.run(
            [*command, f"{run.url()}/openapi.json", "-H", f"Authorization: Bearer {SECRET}", *options],
            cwd=tmp_path,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.hardening.schemathesis_hooks", "PYTHONPATH": f"{ROOT}:{BACKEND}"},
            capture_output=True,
            text=True,
            check=False,
        )
        print(asked.stdout[-3000:])
        assert asked.returncode == 0, asked.stdout
        assert SECRET not in "".join(run.said)
        requests = [event for event in run.events() if event.get("logger") == "pegasus.request"]
    assert not [event for event in run.events() if event.get("level") == "error"]
    assert {("POST", "/api/audio/upload", 200), ("POST", "/api/uploads", 201)} <= {
        (event["method"], event["path"], event["status"]) for event in requests
    }
