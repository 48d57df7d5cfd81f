"""break_chain: breaks one chain after every statement of every revision, on tables that hold rows, and heals it.

Healed means: the database is, schema and rows, what plain Alembic would have made of it. Refused means: nothing was
changed. Anything else is wrong. Runs in the chains' own environment; the states come out as JSON, one a line.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Connection, make_url, text

sys.path.insert(0, str(Path(__file__).parent))
import engine
import plain_alembic
from contents import Contents, contents, steady
from databases import Databases
from plain_alembic import Action, Executed, Place
from published import Chain, copied, named
from rows import empty_tables, fill

WAYS = ("killed", "half", "used", "unversioned")


@dataclass(frozen=True)
class State:
    """What became of one broken database; `rows` says whether its revision moves or reads rows.

    `way` says how it was broken: `killed` (plain Alembic, and the server took back what it takes back), `half` (what
    had been done stays), `used` (the same, and new tables have been written to since), `unversioned` (the revision is
    whole, and no version is on record).
    """

    revision: str
    way: str
    statement: int
    rows: bool
    outcome: str = ""
    wrong: tuple[str, ...] = ()
    report: str = ""


@dataclass(frozen=True)
class Expected:
    """What plain Alembic makes of a state, and the columns that hold the same when it does so twice."""

    end: Contents
    steady: dict[str, set[str]]


class Trial:
    """One chain under trial. The template `before` stands before the revision under trial, with rows in every table."""

    def __init__(self, chain: Chain, ini: Path, databases: Databases) -> None:
        self.ini, self.databases = ini, databases
        self._chain = chain
        self._order = plain_alembic.order(ini)
        self._end: Expected | None = None
        self._unfilled: set[str] = set()

    def states(self, *, only: Collection[str] | None, ways: Collection[str]) -> Iterator[State]:
        """Goes through the revisions; each is broken, then applied for the next."""
        self.databases.reset()
        self.databases.keep("before")
        for revision in self._order:
            if only is None or revision in only:
                yield from self._broken(revision, ways)
            self._advance(revision)
            if (only is None or revision in only) and "unversioned" in ways:
                yield self._unversioned(revision)

    def _broken(self, revision: str, ways: Collection[str]) -> Iterator[State]:
        executed = [it for it in self._upgrade(revision, revision) if it.revision == revision]
        rows = any(statement.touches_rows for statement in executed)
        expected = self._expected(revision)
        if "killed" in ways:
            self.databases.reset("before")  # inside its transaction: nothing of it is there
            yield self._healed(State(revision, "killed", 0, rows), expected)
        for step in range(1, sum(statement.is_step for statement in executed) + 1):
            state = State(revision, "half", step, rows)
            if "killed" in ways and any(statement.leaves_transaction for statement in executed):
                yield from self._killed(replace(state, way="killed"), expected)
            if "half" in ways:
                self._break_off(state, plain_alembic.commit)
                yield self._healed(state, expected)
            if "used" in ways:
                yield from self._used(replace(state, way="used"))

    def _killed(self, state: State, expected: Expected) -> Iterator[State]:
        """Plain Alembic was killed where a part of the revision had been committed."""
        self._break_off(state, lambda _: None)
        left = self.databases.on_live(contents)
        self.databases.reset("before")
        if self.databases.on_live(contents) != left:
            self._break_off(state, lambda _: None)
            yield self._healed(state, expected)

    def _used(self, state: State) -> Iterator[State]:
        self._break_off(state, plain_alembic.commit)
        if not set(self.databases.on_live(empty_tables)) - self._unfilled:
            return
        try:
            expected = self._made_twice(state.revision, {(state.revision, state.statement): self._fill})
        except Exception as error:  # noqa: BLE001 - the revision doesn't run with these rows: nobody's fault
            print(f"{state.revision} after {state.statement}: {error}", file=sys.stderr, flush=True)
            return
        self._break_off(state, self._fill)
        yield self._healed(state, expected)

    def _unversioned(self, revision: str) -> State:
        following = self._order[self._order.index(revision) + 1 :]
        expected = self._expected(following[0] if following else revision)
        self.databases.reset("before")
        with self.databases.connection() as connection:
            connection.execute(text("DROP TABLE alembic_version"))
        return self._healed(State(revision, "unversioned", 0, rows=False), expected)

    def _healed(self, state: State, expected: Expected) -> State:
        before = self.databases.on_live(contents)
        outcome = engine.heal(self.ini)
        after = self.databases.on_live(contents)
        differences = after.differences(expected.end, expected.steady) if outcome.well else after.differences(before)
        said = "wrong" if differences and outcome.outcome != "traceback" else outcome.outcome
        return replace(state, outcome=said, wrong=tuple(differences[:8]), report=outcome.report)

    def _expected(self, revision: str) -> Expected:
        """What plain Alembic makes of the database before the revision."""
        self._end = self._end or self._made_twice(revision, {})
        return self._end

    def _made_twice(self, revision: str, at: dict[Place, Action]) -> Expected:
        made = []
        for _ in range(2):
            self._upgrade(revision, "heads", at)
            made.append(self.databases.on_live(contents))
        return Expected(made[0], steady(*made))

    def _break_off(self, state: State, leave: Action) -> None:
        def stop(connection: Connection) -> None:
            leave(connection)
            raise plain_alembic.BrokenOff

        self._upgrade(state.revision, state.revision, {(state.revision, state.statement): stop})

    def _upgrade(self, revision: str, target: str, at: Mapping[Place, Action] = MappingProxyType({})) -> list[Executed]:
        """Plain Alembic, from where the database stands before the revision, or all of it where it has to be."""
        at_revision = self._order.index(revision)
        if not self._chain.in_one_run:
            self.databases.reset("before")
            return plain_alembic.upgrade(self.ini, target, self._order[at_revision:], at=at)
        self.databases.reset()
        fills = {(earlier, 0): self._fill for earlier in self._order[1 : at_revision + 1]}
        return plain_alembic.upgrade(self.ini, target, self._order, at=fills | dict(at))

    def _fill(self, connection: Connection) -> None:
        plain_alembic.commit(connection)
        self.databases.on_live(self._rows)

    def _rows(self, connection: Connection) -> list[str]:
        return fill(connection, self._chain.values)

    def _advance(self, revision: str) -> None:
        self._upgrade(revision, revision)
        self._unfilled = set(self.databases.on_live(self._rows))
        self.databases.keep("before")
        self._end = None


def main() -> None:
    """Records the chain, breaks it, and writes what became of each state."""
    parser = argparse.ArgumentParser()
    parser.add_argument("chain", type=named)
    parser.add_argument("server", type=make_url)
    parser.add_argument("results", type=argparse.FileType("w", encoding="utf-8"))
    parser.add_argument("--revision", action="append", help="break this revision alone; may be given again")
    parser.add_argument("--way", choices=WAYS, action="append", help="break in this way alone; may be given again")
    parser.add_argument("--limit", type=int, help="at most so many states")
    options = parser.parse_args()
    databases = Databases(options.server, options.chain.package)
    with tempfile.TemporaryDirectory(prefix="pegasus-chain-") as folder:
        ini = _pointed(options.chain, Path(folder), databases)
        databases.reset()
        problem = engine.record(ini)
        revisions = plain_alembic.order(ini)
        print(json.dumps({"revisions": len(revisions), "problem": problem}), file=options.results, flush=True)
        if not problem:
            states = Trial(options.chain, ini, databases).states(only=options.revision, ways=options.way or WAYS)
            for state in islice(states, options.limit):
                print(json.dumps(asdict(state)), file=options.results, flush=True)
    databases.drop()


def _pointed(chain: Chain, folder: Path, databases: Databases) -> Path:
    """The chain's alembic.ini, at the database `live`."""
    address = databases.live.set(drivername=chain.driver)
    if chain.variable:
        os.environ[chain.variable] = address.render_as_string(hide_password=False)
    os.chdir(folder)
    return copied(chain, folder, address)


if __name__ == "__main__":
    main()
