"""Tapes that were recorded on one PostgreSQL serve databases on older ones, where the machine has any."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from .bench import Bench
from .chains import CHAINS, Chain
from .test_breaks import claim_versions

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@contextmanager
def server(binary: Path) -> Iterator[str]:
    """Runs a PostgreSQL in a folder of its own, as somebody without privileges."""
    who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="older-") as folder:
        Path(folder).chmod(0o777)
        data = f"{folder}/data"
        initdb = [str(binary.with_name("initdb")), "-D", data, "-U", "pegasus", "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **who)  # type: ignore[call-overload]
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        process = subprocess.Popen(  # type: ignore[call-overload]
            [str(binary), "-D", data, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **who,
        )
        try:
            yield f"postgresql://pegasus@/pegasus?host={folder}&port=5432"
        finally:
            process.terminate()
            process.wait()


async def wait_for(address: str) -> None:
    """Waits for a server, and makes the database that others are made from."""
    for _ in range(100):
        try:
            connection = await asyncpg.connect(address.replace("/pegasus?", "/postgres?"))
        except (OSError, asyncpg.CannotConnectNowError):
            time.sleep(0.1)
            continue
        await connection.execute("CREATE DATABASE pegasus")
        await connection.close()
        return
    raise TimeoutError(address)


async def heal_from_anywhere(bench: Bench, chain: Chain) -> int:
    """Heals from nothing, and from each revision with nothing on record; answers with how many were healed."""
    tape, healed = chain.project.tape, 0
    name = await bench.make()
    if chain.base_file:
        await bench.sql(name, chain.base_file.read_text(encoding="utf-8"))
    report = await bench.heal(name, chain)
    assert report.outcome == "healed", report
    indexes = [key for key in tape.end if key.kind == "index"]
    path = f"SET search_path TO {chain.path}"
    await bench.sql(name, path + "".join(f"; DROP INDEX {key.path}" for key in indexes))
    report = await bench.heal(name, chain)
    assert report.well, report
    healed += 2
    await claim_versions(bench, name, chain, None)
    report = await bench.heal(name, chain)
    healed += report.well
    state = await bench.state(name, tape)
    assert {key: text for key, text in state.schema.items() if key in tape.keys} == tape.end
    return healed


async def test_older_server(say: Callable[[str], None]) -> None:
    """A tape tells of a database on an older PostgreSQL what it tells of one on its own."""
    for binary in FOUND:
        with server(binary) as address:
            await wait_for(address)
            bench = Bench(address)
            counts = {chain.name: await heal_from_anywhere(bench, chain) for chain in CHAINS.values()}
            await bench.close()
        say(f"PostgreSQL {binary.parts[-3]}: healed {counts}")
    if not FOUND:
        say("no older PostgreSQL on this machine")
