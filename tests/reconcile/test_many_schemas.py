"""Many schemas in one database: each damage is found, healed or refused, and gone on with after a kill."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.programs import BACKEND

from .chains import reconcile
from .new_chains import write_chain
from .tenants import CHAIN, DAMAGES, HEAD, make_tenants, new_database, records, seen

pytestmark = pytest.mark.timeout(3600)
HEALTHY, SURPRISE = 0, 24


@dataclass(frozen=True)
class Tenants:
    """A database of many schemas, its project, and the kinds of damage by schema."""

    ini: Path
    address: str
    damaged: dict[str, str]

    def run(self, *arguments: str) -> dict[str, Any]:
        """What a command on all of them prints."""
        ended = reconcile(*arguments, "-c", str(self.ini), "--schemas", "tenant_*", "--json")
        assert ended.stdout, ended.stderr
        answer: dict[str, Any] = json.loads(ended.stdout)
        assert answer["exit_code"] == ended.returncode
        return answer

    def of_kind(self, *, healed: bool) -> list[str]:
        """The damaged schemas that a heal must mend, or leave."""
        return [schema for schema, kind in self.damaged.items() if DAMAGES[kind].healed == healed]


@pytest.fixture(scope="module")
def make(server_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Tenants]]:
    """A function that makes a database of many schemas."""
    with new_database(server_address) as address:
        ini = write_chain(tmp_path_factory.mktemp("tenants"), address, CHAIN)
        assert reconcile("record", "-c", str(ini)).returncode == HEALTHY

        def make(number: int, *, damaged_every: int) -> Tenants:
            with psycopg.connect(address, autocommit=True) as connection:
                names = connection.execute(r"SELECT nspname FROM pg_namespace WHERE nspname ~ '^(tenant_|reconcile)'")
                for (name,) in names.fetchall():
                    connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
            return Tenants(ini, address, make_tenants(address, number, damaged_every=damaged_every))

        yield make


def check(tenants: Tenants, say: Callable[[str], None], *, jobs: int, kill_after: int) -> None:
    """Looks, heals, is killed in the middle, goes on, and compares every schema with what it must be."""
    before = seen(tenants.address)
    damaged = sorted(tenants.damaged)
    held = records(tenants.address, damaged)
    mendable, hopeless = tenants.of_kind(healed=True), tenants.of_kind(healed=False)

    status = tenants.run("status")
    say(f"{status['targets']:,} schemas looked at in {status['seconds']:.1f} s")
    assert status["targets"] == len(before)
    assert status["targets"] - status["healthy"] == len(damaged)
    assert sum(group["count"] for group in status["groups"]) == len(damaged)
    planned = sum(group["count"] for group in status["groups"] if group["outcome"] == "planned")
    assert planned == len(mendable)

    interrupted = kill(tenants, jobs=2, after=kill_after)
    assert 0 < interrupted < len(mendable)
    start = time.monotonic()
    rollout = tenants.run("heal", "--jobs", str(jobs))
    seconds = time.monotonic() - start
    assert rollout["surprises"] == []
    assert rollout["waiting"] == 0
    assert sum(group["count"] for group in rollout["refused"]) == len(hopeless)
    healed = sum(group["count"] for group in rollout["healed"])
    assert healed + rollout["healthy"] == len(before) - len(hopeless)

    after, kept = seen(tenants.address), records(tenants.address, damaged)
    right = next(lines for schema, lines in before.items() if schema not in tenants.damaged)
    wrong = [schema for schema in after if schema not in hopeless and after[schema] != right]
    wrong += [schema for schema in hopeless if (after[schema], kept[schema]) != (before[schema], held[schema])]
    wrong += [schema for schema in mendable if kept[schema][0] != [(HEAD,)]]
    wrong += [schema for schema in mendable if held[schema][1] not in (None, kept[schema][1])]
    again = tenants.run("status")
    say(
        f"{len(before):,} schemas, {len(damaged)} damaged in {len(DAMAGES)} ways, seen as {len(status['groups'])}"
        f" groups in {status['seconds']:.1f} s; {interrupted} healed before kill -9, {healed} afterwards in"
        f" {seconds:.0f} s, {len(hopeless)} refused, {len(wrong)} wrong"
    )
    assert wrong == []
    assert again["healthy"] == len(before) - len(hopeless)


def kill(tenants: Tenants, *, jobs: int, after: int) -> int:
    """Kills a heal of all once the journal has so many entries; returns how many it has in the end."""
    arguments = ["-m", "reconcile", "heal", "-c", str(tenants.ini), "--schemas", "tenant_*", "--jobs", str(jobs)]
    process = subprocess.Popen([sys.executable, *arguments], cwd=BACKEND, env=os.environ, stdout=subprocess.DEVNULL)
    with psycopg.connect(tenants.address, autocommit=True) as connection:
        while entries(connection) < after:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
        while connection.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend')"
        ).fetchone() != (False,):
            time.sleep(0.02)  # workers finish what they are at
        return entries(connection)


def entries(connection: psycopg.Connection) -> int:
    """How many heals are in the journal."""
    row = connection.execute("SELECT to_regclass('reconcile.heals') IS NOT NULL").fetchone()
    if row != (True,):
        return 0
    row = connection.execute("SELECT count(*) FROM reconcile.heals").fetchone()
    return int(row[0]) if row else 0


def test_each_damage(make: Callable[..., Tenants], say: Callable[[str], None]) -> None:
    """Of sixty schemas twenty are damaged, each otherwise: what can be healed is, two at a time and past a kill."""
    check(make(60, damaged_every=3), say, jobs=1, kill_after=4)


def test_a_surprise_stops(make: Callable[..., Tenants]) -> None:
    """A heal that doesn't come out as planned stops those that have not begun, and the rest is as it was."""
    tenants = make(0, damaged_every=1)
    with psycopg.connect(tenants.address, autocommit=True) as connection:
        for number in range(6):  # all empty alike, and only the canary's heal may do what it plans
            connection.execute(f"CREATE SCHEMA tenant_{number:05}".encode())
        connection.execute(b"""
            CREATE FUNCTION public.only_one() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
              IF current_schema() NOT IN ('tenant_00000', 'reconcile') THEN RAISE EXCEPTION 'enough'; END IF; END $$""")
        connection.execute(b"CREATE EVENT TRIGGER only_one ON ddl_command_end EXECUTE FUNCTION public.only_one()")
        try:
            rollout = tenants.run("heal")
        finally:
            connection.execute(b"DROP EVENT TRIGGER only_one")
            connection.execute(b"DROP FUNCTION public.only_one()")
    assert rollout["exit_code"] == SURPRISE, rollout
    assert [group["count"] for group in rollout["healed"]] == [1]
    assert [surprise["examples"] for surprise in rollout["surprises"]] == [["tenant_00001"]]
    assert "enough" in " ".join(rollout["surprises"][0]["matter"])
    assert rollout["waiting"] == 4
    after = seen(tenants.address)
    assert [schema for schema, lines in sorted(after.items()) if lines] == ["tenant_00000"]


def test_each_database(make: Callable[..., Tenants], server_address: str, tmp_path: Path) -> None:
    """The same with a database each, whose addresses are in a file: no password of theirs is printed."""
    tenants = make(0, damaged_every=1)
    with new_database(server_address) as first, new_database(server_address) as second:
        [passfile] = parse_qs(urlsplit(server_address).query)["passfile"]
        password = Path(passfile).read_text().strip().rpartition(":")[2]
        assert password
        addresses = [address.replace("pegasus@", f"pegasus:{password}@") for address in (first, second)]
        file = tmp_path / "databases"
        file.write_text("\n".join(["# ours", *addresses, "", first.replace("many_", "none_")]))
        project = ("-c", str(tenants.ini), "--each", str(file))
        status = reconcile("status", *project)
        assert status.stdout.startswith("3 looked at: 0 healthy, 3 in 2 groups.\n\n2 x empty: "), status.stdout
        assert "1 x error: PostgreSQL says: " in status.stdout
        healed = reconcile("heal", *project)
        assert "2 healed, 1 refused" in healed.stdout, healed.stdout + healed.stderr
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        again = reconcile("status", *project, "--json")
        assert json.loads(again.stdout)["healthy"] == 2
        printed = "".join(ended.stdout + ended.stderr for ended in (status, healed, again))
        assert password not in printed
        file.write_text(f"{first}\nmysql://ann:s3cret@host/name\n")
        refused = reconcile("status", *project)
        assert "Line 2 of databases is no address" in refused.stderr
        assert "s3cret" not in refused.stderr


@pytest.mark.soak
def test_ten_thousand(make: Callable[..., Tenants], say: Callable[[str], None]) -> None:
    """So it is with ten thousand schemas."""
    number = int(os.environ.get("SCHEMAS", "10000"))
    check(make(number, damaged_every=20), say, jobs=2, kill_after=number // 50)
