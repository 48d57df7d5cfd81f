"""Breaks a chain that we did not write after every statement of every revision, on tables that hold rows, and heals it.

Healed means: the schema is what the chain's own end is, and every row holds what a plain upgrade would have left in
it. Refused means: nothing was changed. Anything else is wrong, and printed. Runs in the chain's own environment.
"""

import argparse
import json
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection, text

sys.path.insert(0, str(Path(__file__).parent))
from places import Places, point_at
from rows import Rows, all_rows, fill, lost

from reconcile.heal import heal
from reconcile.look import look
from reconcile.observe import observe
from reconcile.project import Project, chain, configuration, on_own_connection
from reconcile.record import RevisionFailed, record
from reconcile.report import Report
from reconcile.schema import difference
from reconcile.scratch import scratch_database
from reconcile.tape import Revision, Tape


@dataclass
class Tally:
    """What became of one chain; the states by whether all statements of the revision are DDL."""

    chain: str
    revisions: int = 0
    recorded: int = 0
    why_no_more: str = ""
    statements: int = 0
    located: int = 0
    ddl: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """Everything in a database that a heal could change."""

    schema: dict[str, str]
    rows: Rows
    versions: tuple[str, ...]
    constraints: dict[str, str]


def snapshot(connection: Connection, tape: Tape) -> Snapshot:
    """Reads it all, on the search path that the chain's names are relative to."""
    seen = observe(connection, versions=tape.versions, schema=tape.schema)
    schema = {key: text for key, text in seen.schema.items() if "reconcile." not in key and key != "schema reconcile"}
    return Snapshot(schema, all_rows(connection), seen.claimed or (), dict(seen.constraints))


class Breaking:
    """One chain under trial. Database `before` stands at the parent of the revision under trial, with rows."""

    def __init__(self, project: Project, places: Places, tally: Tally) -> None:
        self.project, self.places, self.tally = project, places, tally
        self.tape = project.tape

    def run(self, *, only: str | None = None) -> None:
        """Goes through the revisions; each is broken, then applied for the next."""
        self.places.copy("chain_before")
        for revision in self.tape.revisions:
            if only is None or only == revision.id:
                self._break_everywhere(revision)
            self._advance(revision)
            self._locate(revision)

    def _break_everywhere(self, revision: Revision) -> None:
        control = self._control()
        for count in range(1, 1000):
            with self.places.database("chain_broken", like="chain_before"):
                stopped = self.places.break_after("chain_broken", revision.id, statements=count)
                if not stopped:
                    return
                self._heal(revision, count, control)

    def _heal(self, revision: Revision, count: int, control: tuple[Snapshot, Snapshot]) -> None:
        before, report, after = self.places.on("chain_broken", self._healed)
        problem = self._problem(report, before, after, control)
        outcome = "wrong" if problem else report.outcome if isinstance(report, Report) else "refused"
        ddl = all(item.kind not in ("data", "opaque") for item in revision.statements) and not revision.reads
        tally = self.tally.ddl if ddl else self.tally.other
        tally["tried"] += 1
        tally[outcome] += 1
        if outcome != "healed":
            self._tell(f"{revision.id} after statement {count}: {outcome}: {problem}\n{report}")

    def _tell(self, detail: str) -> None:
        self.tally.details.append(detail)
        print(detail, file=sys.stderr, flush=True)

    def _healed(self, connection: Connection) -> tuple[Snapshot, Report | str, Snapshot]:
        fill(connection)
        before = snapshot(connection, self.tape)
        connection.commit()
        try:
            report: Report | str = heal(connection, self.project)
        except Exception:  # noqa: BLE001 - whatever comes out is what is to be told
            report = traceback.format_exc(limit=-4)
        if connection.in_transaction():
            connection.rollback()
        return before, report, snapshot(connection, self.tape)

    def _problem(
        self, report: Report | str, before: Snapshot, after: Snapshot, control: tuple[Snapshot, Snapshot]
    ) -> str:
        """What is wrong with how a state ended, if anything."""
        if isinstance(report, str) or not report.well:
            return "" if before == after else "not healed, and yet changed"
        differing = difference(self.tape.end, after.schema) + difference(after.schema, self.tape.end)
        if differing:
            return f"not the chain's end: {'; '.join(map(str, differing))}"
        names = {key: name for key, name in after.constraints.items() if control[0].constraints.get(key, name) != name}
        if names:
            return f"constraints have other names: {names}"
        gone = lost(control[0].rows, after.rows, _steady(*control)) + lost(
            before.rows, after.rows, _kept(before, after, control)
        )
        return f"rows lost: {gone[:5]}" if gone else ""

    def _control(self) -> tuple[Snapshot, Snapshot]:
        """What a plain upgrade leaves in the rows, twice: what differs between the two can't be expected."""
        found = []
        for _ in range(2):
            with self.places.database("chain_control", like="chain_before"):
                self.places.upgrade("chain_control", self.tape.head)
                found.append(self.places.on("chain_control", lambda connection: snapshot(connection, self.tape)))
        return found[0], found[1]

    def _advance(self, revision: Revision) -> None:
        self.places.upgrade("chain_before", revision.id)
        left = self.places.on("chain_before", fill)
        if left:
            print(f"{revision.id}: no rows in {', '.join(left)}", file=sys.stderr, flush=True)

    def _locate(self, revision: Revision) -> None:
        """Whether the class of revisions with this schema is found when there is no version on record."""

        def unversioned(connection: Connection) -> Report:
            connection.execute(text(f"DROP TABLE {self.tape.versions.qualified}"))
            connection.commit()
            return look(connection, self.project)

        with self.places.database("chain_unversioned", like="chain_before"):
            location = self.places.on("chain_unversioned", unversioned).location
        at = self.tape.after(self.tape.ancestry([revision.id]))
        readings = [*location.readings, location.at]
        right = [
            name for name in readings if name in self.tape.by_id and self.tape.after(self.tape.ancestry([name])) == at
        ]
        if right and not (location.missing or location.differing):
            self.tally.located += 1
        else:
            self._tell(f"{revision.id} without a version is taken for {readings}: {location.verdict}")


def _steady(one: Snapshot, other: Snapshot) -> dict[str, set[str]]:
    """The columns that have the same values after each plain upgrade."""
    return {
        table: {name for name in (rows[0] if rows else {}) if _values(rows, name) == _values(other.rows[table], name)}
        for table, rows in one.rows.items()
        if len(rows) == len(other.rows.get(table, ()))
    }


def _kept(before: Snapshot, after: Snapshot, control: tuple[Snapshot, Snapshot]) -> dict[str, set[str]]:
    """The columns of tables that only the broken state had rows in, as far as the end has them in the same type."""
    return {
        table: {
            name
            for name in rows[0]
            if before.schema.get(f"column {table}.{name}") == after.schema.get(f"column {table}.{name}")
        }
        for table, rows in before.rows.items()
        if rows and table in after.rows and not control[0].rows.get(table)
    }


def _values(rows: list[dict[str, Any]], name: str) -> Counter[str]:
    return Counter(json.dumps(row.get(name), sort_keys=True) for row in rows)


def main() -> None:
    """Records the chain, breaks it, and prints the tally as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("chain")
    parser.add_argument("ini", type=Path)
    parser.add_argument("address")
    parser.add_argument("--only", help="break this revision alone")
    options = parser.parse_args()
    config = configuration(options.ini)
    driver = config.get_main_option("sqlalchemy.url", "").partition(":")[0]
    address = options.address.replace("postgresql:", f"{driver}:", 1)
    point_at(config, address)
    tape, why_no_more = recorded(config)
    tally = Tally(options.chain, len(chain(config)), len(tape.revisions), why_no_more, len(list(tape.statements)))
    project = Project(config, tape)
    Breaking(project, Places(project, address), tally).run(only=options.only)
    print(json.dumps(vars(tally)))


def recorded(config: Config) -> tuple[Tape, str]:
    """The tape, as far as the chain runs, and the reason where that isn't to its end."""
    try:
        return on_own_connection(config, lambda connection: _played(config, connection, None)), ""
    except RevisionFailed as error:
        (until,) = error.before
        return on_own_connection(config, lambda connection: _played(config, connection, until)), str(error)


def _played(config: Config, connection: Connection, until: str | None) -> Tape:
    with scratch_database(connection) as scratch:
        return record(config, scratch, until=until)


if __name__ == "__main__":
    main()
