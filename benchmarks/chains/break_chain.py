"""break_chain: breaks one chain after every statement of every revision, on tables that hold rows, and heals it.

Healed means: the database is, schema and rows, what plain Alembic would have made of it. Refused means: nothing was
changed. Anything else is wrong. Runs in the chains' own environment; the states come out as JSON, one a line.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from zlib import crc32

from sqlalchemy import Connection, make_url, text

sys.path.insert(0, str(Path(__file__).parent))
import engine
import plain_alembic
from contents import Contents, contents, steady
from databases import Databases
from plain_alembic import Action, Executed, Place
from published import Chain, copied, named

from reconcile.rehearsal.rows import empty_tables, fill

VERSIONS = "alembic_version"  # the table, as each of these chains has it
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

    @property
    def place(self) -> Place:
        """Where plain Alembic was stopped."""
        return self.revision, self.statement


class PlainAlembicFailedError(Exception):
    """Plain Alembic doesn't run the chain to its end from here."""


class Expected:
    """What plain Alembic makes of a state; made when it is asked for."""

    def __init__(self, make: Callable[[], Contents]) -> None:
        self._make = make
        self._ends: list[Contents] = []

    def differences(self, seen: Contents) -> list[str]:
        """How a database differs from it; only in what is the same when plain Alembic does it twice."""
        if not seen.differences(self.end):
            return []
        return seen.differences(self.end, steady(self.end, self._nth(1)))

    @property
    def end(self) -> Contents:
        """What plain Alembic makes.

        Raises:
            PlainAlembicFailedError: it makes nothing.
        """
        return self._nth(0)

    def _nth(self, number: int) -> Contents:
        while len(self._ends) <= number:
            try:
                self._ends.append(self._make())
            except Exception as error:
                raise PlainAlembicFailedError(str(error)) from error
        return self._ends[number]


class Trial:
    """One chain under trial. The template `before` stands before the revision under trial, with rows in every table."""

    def __init__(self, chain: Chain, ini: Path, databases: Databases, *, every: int) -> None:
        self.ini, self.databases = ini, databases
        self._chain = chain
        self._order = plain_alembic.order(ini)
        self._every = every
        self._unfilled: set[str] = set()

    def states(self, *, only: Collection[str] | None, ways: Collection[str]) -> Iterator[State]:
        """Goes through the revisions; each is broken, then applied for the next."""
        self.databases.reset()
        self.databases.keep("before")
        for revision in self._order:
            executed = [it for it in self._upgrade(revision, revision) if it.revision == revision]
            unfilled = set(self.databases.on_live(self._rows))
            self.databases.keep("after")
            if only is None or revision in only:
                yield from self._broken(revision, executed, ways)
            self._unfilled = unfilled
            self.databases.reset("after")
            self.databases.keep("before")
            whole = State(revision, "unversioned", 0, rows=False)
            if (only is None or revision in only) and "unversioned" in ways and self._is_due(whole):
                yield self._unversioned(whole)

    def _is_due(self, state: State) -> bool:
        """Whether the state is among those that are tried: always the same, and of every way some."""
        return crc32(f"{state.revision} {state.way} {state.statement}".encode()) % self._every == 0

    def _broken(self, revision: str, executed: list[Executed], ways: Collection[str]) -> Iterator[State]:
        rows = any(statement.touches_rows for statement in executed)
        alone = any(statement.leaves_transaction for statement in executed)
        expected = Expected(lambda: self._plain_end(revision))
        self.databases.reset("before")
        before = self.databases.on_live(contents)
        for step in range(1, sum(statement.is_step for statement in executed) + 1):
            half, killed, used = (State(revision, way, step, rows) for way in ("half", "killed", "used"))
            if "killed" in ways and alone and self._is_due(killed):
                yield from self._killed(killed, before, expected)
            if "half" in ways and self._is_due(half):
                yield from self._half(half, before, expected)
            if "used" in ways and self._is_due(used):
                yield from self._used(used)

    def _killed(self, state: State, before: Contents, expected: Expected) -> Iterator[State]:
        """Plain Alembic was killed; where it could take back all of the revision, nothing is broken."""
        self._break_off(state, lambda _: None)
        if self.databases.on_live(contents) != before:
            yield self._healed(state, expected)

    def _half(self, state: State, before: Contents, expected: Expected) -> Iterator[State]:
        """What was done stays, but for rows that were moved before anything else.

        No killed run leaves those alone, and plain Alembic, too, would move them once more.
        """
        self._break_off(state, plain_alembic.commit)
        if self.databases.on_live(contents).schema != before.schema:
            yield self._healed(state, expected)

    def _used(self, state: State) -> Iterator[State]:
        """The same, and the tables that the revision had made by then have been written to."""
        new: set[str] = set()

        def use(connection: Connection) -> None:
            plain_alembic.commit(connection)
            new.update(set(self.databases.on_live(partial(empty_tables, versions=VERSIONS))) - self._unfilled)
            self.databases.on_live(self._rows)

        self._break_off(state, use)
        if new:
            expected = Expected(lambda: self._plain_end(state.revision, {state.place: use}))
            try:
                healed = self._healed(state, expected)
                expected.end  # noqa: B018 - or it can't be made
                yield healed
            except PlainAlembicFailedError as error:  # with rows such as these: nobody's fault
                print(f"{state.revision} after {state.statement}: {error}", file=sys.stderr, flush=True)

    def _unversioned(self, state: State) -> State:
        following = self._order[self._order.index(state.revision) + 1 :]
        self.databases.reset("before")
        with self.databases.connection() as connection:
            connection.execute(text("DROP TABLE alembic_version"))
        return self._healed(state, Expected(lambda: self._plain_end(following[0] if following else state.revision)))

    def _healed(self, state: State, expected: Expected) -> State:
        before = self.databases.on_live(contents)
        outcome = engine.heal(self.ini)
        after = self.databases.on_live(contents)
        differences = expected.differences(after) if outcome.well else after.differences(before)
        judged = "wrong" if differences and outcome.outcome != "traceback" else outcome.outcome
        return replace(state, outcome=judged, wrong=tuple(differences[:8]), report=outcome.report)

    def _plain_end(self, revision: str, at: Mapping[Place, Action] = MappingProxyType({})) -> Contents:
        """What plain Alembic makes of the database before the revision."""
        self._upgrade(revision, "heads", at)
        return self.databases.on_live(contents)

    def _break_off(self, state: State, leave: Action) -> None:
        def stop(connection: Connection) -> None:
            leave(connection)
            raise plain_alembic.BrokenOff

        self._upgrade(state.revision, state.revision, {state.place: stop})

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
        return fill(connection, VERSIONS, self._chain.values)


def main() -> None:
    """Records the chain, breaks it, and writes what became of each state."""
    parser = argparse.ArgumentParser()
    parser.add_argument("chain", type=named)
    parser.add_argument("server", type=make_url)
    parser.add_argument("results", type=argparse.FileType("w", encoding="utf-8"))
    parser.add_argument("--revision", action="append", help="break this revision alone; may be given again")
    parser.add_argument("--way", choices=WAYS, action="append", help="break in this way alone; may be given again")
    parser.add_argument("--every", type=int, default=1, help="only one state of so many")
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
            states = Trial(options.chain, ini, databases, every=options.every).states(
                only=options.revision, ways=options.way or WAYS
            )
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
