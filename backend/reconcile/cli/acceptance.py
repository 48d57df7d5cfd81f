"""The ends that are as good as the chain's: what the models make, and what people accept."""

import getpass
import os
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import SQLAlchemyError

from ..command_line import command
from ..differences.normalize import normalize
from ..differences.spelling import Speller
from ..inspection.acceptance import apart_from_end, differences_of
from ..inspection.inspect import inspect
from ..observation.observe import observe
from ..planning.report import Report
from ..schema.errors import ReconcileError
from ..schema.schema import Difference
from ..tape.accepted import Accepted, write_accepted
from ..tape.project import Project, accepted_path
from ..tape.tape import Tape
from .application import imported
from .opened import on_project


class NotAccepted(ReconcileError):
    """A difference can't be accepted as it was asked for."""

    exit_code = 20


class ModelsUnfit(ReconcileError):
    """The models can't be imported, or don't make a schema."""

    def __init__(self, named: str, reason: str) -> None:
        super().__init__(f"{named} makes no schema: {reason}")


def with_models(named: str, scratch: Connection, tape: Tape) -> Tape:
    """The tape with what differs where the models have made an empty database, by `create_all`."""
    sys.path.insert(0, os.fspath(Path.cwd()))
    try:
        metadata = imported(named, default="metadata")
        metadata = metadata if isinstance(metadata, MetaData) else metadata.metadata
        metadata.create_all(scratch)
    except (ImportError, AttributeError, SQLAlchemyError) as error:
        raise ModelsUnfit(named, f"{type(error).__name__}: {error}") from error
    if not metadata.tables:
        raise ModelsUnfit(named, "it has no tables; name a module that imports the models as well")
    scratch.commit()
    observation = observe(scratch, versions=tape.versions, schema=tape.schema, schemas=tape.schemas, names=tape.names)
    words = normalize(observation, tape, spell=Speller(scratch, observation, tape))
    scratch.rollback()
    return replace(tape, models=named, models_differ=apart_from_end(observation, words, tape))


def accept(options: Namespace) -> int:
    """Writes what differs on the database into the file of accepted differences."""

    def work(connection: Connection, project: Project) -> tuple[Project, Report]:
        return project, inspect(connection, project)

    project, report = on_project(options, work)
    chosen = _chosen(report, options.objects)
    if not chosen:
        print("Nothing differs that isn't accepted.")
        return 0
    breaking = [item for item in chosen if item in report.location.breaking]
    if breaking and not options.yes:
        names = ", ".join(str(item) for item in breaking)
        raise NotAccepted(f"The code can't work with this, or so it seems: {names}. To accept it all the same, --yes")
    by = options.by or getpass.getuser()
    path = accepted_path(project.config)
    write_accepted([*project.accepted, *(Accepted(item, options.reason, by) for item in chosen)], path)
    print(f"{path.name}: {len(chosen)} more. Review it, and commit it:")
    print("\n".join(f"  {item}" for item in chosen))
    return 0


def _chosen(report: Report, objects: list[str]) -> list[Difference]:
    """The differences of the named objects, or all."""
    if report.location.readings:
        raise NotAccepted(
            "It isn't known at which revision the database is, so neither is what differs: first"
            f" {command('heal', '--assume', report.location.readings[0])}"
        )
    differences = differences_of(report.location)
    by_name = {str(item.key): item for item in differences}
    unknown = [name for name in objects if name not in by_name]
    if unknown:
        raise NotAccepted(f"{unknown[0]} doesn't differ; what differs: {', '.join(by_name) or 'nothing'}")
    return [by_name[name] for name in objects] if objects else list(differences)
