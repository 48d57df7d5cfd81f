"""The tape is what the chain does: on this PostgreSQL, on an older one, in the models; and its hashes are honest."""

import inspect
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from audio.model.audio_file import Base
from core.postgres.account import ENVIRONMENT, account_of
from core.postgres.cluster import DATABASE, PORT, USER, make_cluster, ready_socket_folder, serving_command
from reconcile.tape import tape
from reconcile.tape.file import read_tape
from reconcile.tape.tape import source_hash
from tests.programs import BACKEND

from .chains import asked, copied_chain, reconcile
from .ours import OF_002, build, old_rows, rows_of, seen, versions

OLDER = sorted(path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name != "18")
SIDE_BY_SIDE = sorted(Path(sys.base_prefix).parent.glob("3.*/bin/python3"))  # as version managers keep them


@contextmanager
def served(binaries: Path) -> Iterator[str]:
    """The address of a server made and run by these programs, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as parent:
        Path(parent).chmod(0o711)
        cluster = Path(parent).resolve() / "postgres"
        make_cluster(cluster, binaries=binaries, major=int(binaries.parent.name))
        account = account_of(cluster)
        command = serving_command(cluster, binaries=binaries, account=account)
        server = subprocess.Popen(
            command, cwd="/", env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **account.options()
        )
        try:
            while (folder := ready_socket_folder(cluster)) is None:
                assert server.poll() is None
                time.sleep(0.02)
            yield f"postgresql://{USER}@/{DATABASE}?host={folder}&port={PORT}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def test_older_servers(tmp_path: Path, say: Callable[[str], None]) -> None:
    """The tape recorded on an older PostgreSQL is the committed one, and the committed one heals there."""
    if not OLDER:
        say("the tape was not compared with an older PostgreSQL: this machine has none under /usr/lib/postgresql")
    for binaries in OLDER:
        chain = tmp_path / binaries.parent.name
        chain.mkdir()
        ini = copied_chain(chain)
        rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
        with served(binaries) as address:
            ran = reconcile("record", "-c", str(ini), database=address)
            assert ran.returncode == 0, ran.stderr
            played, committed = read_tape(chain / "alembic" / "tape.json"), read_tape(BACKEND / "alembic" / "tape.json")
            assert played.postgresql == binaries.parent.name
            assert replace(played, postgresql="") == replace(committed, postgresql="")
            parts = OF_002 - {"type", "table"}
            for gone in sorted(parts):
                kept = OF_002 - {gone, f"{gone} index"}
                asked(address, partial(build, parts=kept, claim=("001",), rows=rows))
                before = asked(address, rows_of)
                assert reconcile("heal", database=address).returncode == 0
                assert asked(address, versions) == ["002"]
                assert asked(address, rows_of) == [{"tag": None, "category": None} | row for row in before or []]
                assert reconcile("status", database=address).returncode == 0
        say(f"PostgreSQL {binaries.parent.name}: plays the same tape, and {len(parts)} lost objects were healed there")


async def test_models_make_the_same(raw: asyncpg.Connection, healer: AsyncConnection, head: frozenset[str]) -> None:
    """`create_all` makes exactly what the chain makes, but for the version table."""
    await healer.run_sync(Base.metadata.create_all)
    await healer.commit()
    made = await seen(raw)
    assert made == {sentence for sentence in head if "alembic_version" not in sentence}


def test_readable(tmp_path: Path) -> None:
    """The tape is JSON whose every object stands on a line of its own, for whoever reviews a change of it."""
    text = (BACKEND / "alembic" / "tape.json").read_text()
    made = [
        key
        for revision in json.loads(text)["revisions"]
        for statement in revision["statements"]
        for key in statement.get("creates", {})
    ]
    assert len(made) == 30
    for key in made:
        assert sum(line.strip().startswith(json.dumps(key)) for line in text.splitlines()) == 1


SOURCE = '''"""What it does."""

from alembic import op

revision = "1"
NAMES = ("a", "b")


def upgrade() -> None:
    """Adds."""
    for name in NAMES:
        op.execute(f"ALTER TABLE t ADD {name} int")  # all of them
'''
SAME = {
    "another docstring": ('"""Adds."""', '"""Adds both."""'),
    "no docstring": ('    """Adds."""\n', ""),
    "another comment": ("# all of them", "# each"),
    "another layout": ('NAMES = ("a", "b")', 'NAMES = (\n    "a",\n    "b",\n)'),
    "other quotes": ('"a"', "'a'"),
    "a joined literal": ('revision = "1"', 'revision = ("" "1")'),
    "another first sentence": ('"""What it does."""', "'''It does.'''"),
}
OTHER = {
    "another name": ('"a"', '"c"'),
    "another order": ('("a", "b")', '("b", "a")'),
    "another type": (" int", " bigint"),
    "a list": ('("a", "b")', '["a", "b"]'),
    "bytes": ('"1"', 'b"1"'),
    "a number": ('"1"', "1"),
    "a float": ('"1"', "1.0"),
    "a default": ("def upgrade()", "def upgrade(x=1)"),
    "a statement less": ("\n        op.execute", "\n        pass\n        op.execute"),
    "another function": ("def upgrade", "def downgrade"),
    "async": ("def upgrade", "async def upgrade"),
    "another import": ("import op", "import context"),
    "a conversion": ("{name}", "{name!r}"),
    "a format": ("{name}", "{name:>3}"),
    "an annotation": ("-> None", "-> int"),
    "a string that isn't a docstring": ("revision =", '"more"\nrevision ='),
}


def hashed(path: Path, text: str) -> str:
    path.write_text(text)
    return source_hash(path)


@pytest.mark.parametrize("name", SAME)
def test_same_source(name: str, tmp_path: Path) -> None:
    """What doesn't change what a revision does doesn't change its hash."""
    old, new = SAME[name]
    assert old in SOURCE
    assert hashed(tmp_path / "a.py", SOURCE) == hashed(tmp_path / "b.py", SOURCE.replace(old, new))


def test_other_sources(tmp_path: Path) -> None:
    """Whatever else changes in a revision changes its hash, each change differently."""
    assert all(old in SOURCE for old, _ in OTHER.values())
    hashes = {hashed(tmp_path / "a.py", SOURCE.replace(old, new)) for old, new in OTHER.values()}
    assert len(hashes | {hashed(tmp_path / "a.py", SOURCE)}) == len(OTHER) + 1


def test_other_pythons(tmp_path: Path, say: Callable[[str], None]) -> None:
    """A revision has the same hash whichever Python reads it: newer ones know more fields of the same syntax."""
    (tmp_path / "odd.py").write_text(SOURCE + "\n\nclass A(B, metaclass=C):\n    x: int = 1\n    y = u'kind'\n" + ODD)
    program = tmp_path / "hash.py"
    parts = "\n\n".join(inspect.getsource(part) for part in (tape.source_hash, tape._meaning))
    program.write_text(
        f"import ast, hashlib, json, sys\nfrom pathlib import Path\nfrom typing import Any\n{parts}\n{PRINT}"
    )
    files = [tmp_path / "odd.py", *sorted((BACKEND / "alembic" / "versions").glob("*.py"))]
    compared = []
    for python in SIDE_BY_SIDE:
        version = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        if version.returncode == 0 and tuple(map(int, version.stdout.split())) > (3, 11):
            ran = subprocess.run([python, program, *files], capture_output=True, text=True, check=True)
            assert ran.stdout.split() == [source_hash(path) for path in files], python
            compared.append(version.stdout.strip().replace(" ", "."))
    say(f"revisions hash alike on this Python and on {', '.join(compared) or 'no newer one: the machine has none'}")


ODD = """

def f(a, /, b: int = 1, *c, d, **e) -> None:
    match a:
        case [1, *rest] if rest:
            return lambda x: x[1:2, ...]
    with open(a) as x, open(b):
        yield {**e, 'a': -1, **{i: j for i, j in c if i}}
    print(f'{a!r:>{b}} {a=}', not b, b if a else c)
    try:
        del a[0]
    except* ValueError as error:
        raise TypeError from error
"""
PRINT = "print(*(source_hash(Path(name)) for name in sys.argv[1:]))\n"
