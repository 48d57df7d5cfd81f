"""What a change costs: a column that clients give is added to a copy of the tree, which is then used."""

import filecmp
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.settings import ROOT
from tests.api.test_main import running
from tests.api.uploads.test_tus import BYTES, TUS, metadata
from tests.audio.samples import recording
from tests.checkout import copy_checkout
from tests.conftest import RunSql

COLUMN = '    place: Mapped[str | None] = mapped_column(String(50), info=LABEL | {"example": "Kitchen"})\n'
REVISION = '''"""Add a place to audio_files."""

import sqlalchemy as sa
from alembic import op

revision = "003"
down_revision = "002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audio_files", sa.Column("place", sa.String(50)))


def downgrade() -> None:
    op.drop_column("audio_files", "place")
'''
TOUCHED = {
    "backend/audio/model/audio_file.py",  # the column, and that it is a label
    "backend/alembic/versions/003_add_place.py",  # the revision that makes it
    "backend/alembic/tape.json",  # its recording: make record
}


@pytest.fixture
def tree(tmp_path: Path, database: str) -> Path:
    """A copy of the tree in which a recording has a place, which its client gives."""
    tree = tmp_path / "tree"
    copy_checkout(tree)
    model = tree / "backend/audio/model/audio_file.py"
    lines = model.read_text().splitlines(keepends=True)
    after = next(at for at, line in enumerate(lines) if line.startswith("    category: Mapped"))
    model.write_text("".join([*lines[: after + 1], COLUMN, *lines[after + 1 :]]))
    (tree / "backend/alembic/versions/003_add_place.py").write_text(REVISION)
    run(tree, database, "-m", "reconcile", "record")
    return tree


def run(tree: Path, database: str, *arguments: str) -> str:
    """Runs one of the tree's programs, and returns what it prints."""
    command, environment = [sys.executable, *arguments], os.environ | {"DATABASE_URL": database}
    environment |= {"DATA_PATH": str(tree.parent / "data"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=tree / "backend", env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def touched(tree: Path) -> set[str]:
    """The files of the tree that this one doesn't have, or that differ here."""
    names = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    same = (name for name in names if (ROOT / name).is_file() and filecmp.cmp(ROOT / name, tree / name, shallow=False))
    return {str(name) for name in {*names} - {*same}}


def upload(client: httpx.Client) -> list[dict[str, Any]]:
    """Uploads a recording by form and one by tus, and changes the place of a third; returns all three."""
    form = client.post("/api/audio/upload", files={"file": ("a.wav", recording("wav"))}, data={"place": " Küche "})
    said = TUS | BYTES | {"Upload-Length": str(len(recording("wav"))), "Upload-Metadata": metadata(place="Garten")}
    begun = client.post("/api/uploads", content=recording("wav")[:5000], headers=said)
    where, rest = begun.headers["location"], TUS | BYTES | {"Upload-Offset": "5000"}
    assert client.head(where, headers=TUS).headers["upload-metadata"] == metadata(place="Garten")
    tus = client.patch(where, content=recording("wav")[5000:], headers=rest)
    other = client.post("/api/audio/upload", files={"file": ("b.wav", recording("wav"))}).json()
    changed = client.put(f"/api/audio/{other['id']}/tags", json={"place": "Dach", "tag": "Work"})
    resumed = client.get(f"/api/audio/{tus.headers['upload-recording-id']}")
    return [answer.raise_for_status().json() for answer in (form, resumed, changed)]


async def test_a_label_is_added_in_three_files(tree: Path, database: str, run_sql: RunSql) -> None:
    """It comes in by form, tus and change, is shown, found and in the manifest, and comes back from storage alone."""
    data = tree.parent / "data"
    assert touched(tree) == TOUCHED
    assert len(TOUCHED) <= 6
    started = [sys.executable, str(tree / "backend/main.py")]
    with running(data, *started, DATABASE_URL=database, PROCESSING="off", PYTHONDONTWRITEBYTECODE="1") as server:
        with httpx.Client(base_url=server.url(), timeout=60, trust_env=False) as client:
            recordings = upload(client)
            assert [found["place"] for found in recordings] == ["Küche", "Garten", "Dach"]
            assert [found["tag"] for found in recordings] == [None, None, "Work"]
            [garden] = client.get("/api/audio/", params={"q": "gart"}).json()["items"]
            assert garden["id"] == recordings[1]["id"]
            too_long = {"place": "x" * 51}
            refused = client.post("/api/audio/upload", files={"file": ("a.wav", recording("wav"))}, data=too_long)
            assert refused.status_code == 422
        assert server.end(signal.SIGTERM) == 0
    manifests = [json.loads(path.read_text()) for path in data.rglob("audio_*.wav.json")]
    assert {manifest["place"] for manifest in manifests} == {"Küche", "Garten", "Dach"}
    rows = await run_sql("DELETE FROM audio_files RETURNING id, place, tag")
    run(tree, database, "-m", "storage", "rebuild")
    assert await run_sql("SELECT id, place, tag FROM audio_files ORDER BY id") == sorted(rows)
