"""Checks the database against the revisions, and changes nothing; `--show-structure` prints what it holds."""

import argparse

from sqlalchemy import Connection

from app.schema_healing import on_database
from core.settings import Settings
from reconcile.inspection.inspect import inspect
from reconcile.observation.observe import Observation, observe
from reconcile.planning.report import Report
from reconcile.schema.schema import difference
from reconcile.tape.project import Project

SHOW_STRUCTURE = ("--show-structure", "print every object that the database holds")
PARTS = {
    "table": "The table audio_files",
    "column": "its columns, with tag and category",
    "primary_key": "its primary key",
    "unique": "its unique constraint",
    "type": "The type processingstatus",
    "index": "The indexes, with those on tag and category",
}


def check(connection: Connection, project: Project) -> tuple[Report, Observation]:
    report = inspect(connection, project)
    tape = project.tape
    with connection.begin():
        return report, observe(connection, versions=tape.versions, schema=tape.schema, names=tape.names)


async def verify(settings: Settings, options: argparse.Namespace) -> int:
    report, observation = await on_database(settings, check)
    head = report.tape.end
    for kind, part in PARTS.items():
        wrong = difference({key: text for key, text in head.items() if key.kind == kind}, observation.schema)
        print(f"{'❌' if wrong else '✅'} {part}")
        for item in wrong:
            print(f"     {item}")
    stamped = observation.claimed == (report.tape.head,)
    on_record = ", ".join(observation.claimed or ()) or "none"
    print(f"{'✅' if stamped else '❌'} Alembic's revision: {on_record}")
    if options.show_structure:
        show(observation)
    print(f"\n{report}")
    if report.plan.steps:
        print("\nTo do it: python3 resolve_migration_error.py, or start the server.")
    return report.exit_code


def show(observation: Observation) -> None:
    width = max((len(str(key)) for key in observation.schema), default=0)
    print("\nWhat the database holds:")
    for key, text in observation.schema.items():
        print(f"  {key!s:{width}} {text}")
