"""A trial: a case's project and database, in which steps happen and the command line is called."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from .bare import Bare, Program, Ran
from .case import Case, Step
from .databases import SUPERUSER, Server
from .project import write_project

FAILURES = ("Traceback (most recent call last)", "unexpected:", '"verdict": "unexpected"')
Chain = tuple[object, ...]


@dataclass(frozen=True)
class Bench:
    """What cases are run with; of each chain, tape, outline and a database after a first upgrade are made once."""

    server: Server
    bare: Bare
    folder: Path
    kept: ExitStack = field(default_factory=ExitStack)
    beginnings: dict[tuple[Chain, Step], str] = field(default_factory=dict)
    tapes: dict[Chain, tuple[Ran, str]] = field(default_factory=dict)
    outlines: dict[Chain, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A case in a database, its project in a folder, and what the command line has said so far."""

    case: Case
    bench: Bench
    database: str
    role: str = SUPERUSER
    said: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the project lies."""
        return self.bench.folder / self.database

    @property
    def url(self) -> str:
        """The database's address as the project has it."""
        return self.bench.server.at(self.database, role=self.role).replace("postgresql://", "postgresql+psycopg://")

    @property
    def words(self) -> str:
        """All that was said."""
        return "\n".join(self.said)

    def write_project(self) -> None:
        """Makes the folder, once."""
        write_project(self.case, self.folder, url=self.url)

    def call(self, *arguments: str) -> Ran:
        """Calls reconcile; none of its own code may fail."""
        ran = self._run("reconcile", *arguments)
        self.said.append(ran.stdout + ran.stderr)
        assert not any(failure in self.said[-1] for failure in FAILURES), self.words
        return ran

    def alembic(self, *arguments: str) -> None:
        """Calls plain Alembic, which has to do what it is called for."""
        ran = self._run("alembic", *arguments)
        assert ran.returncode == 0, ran.stderr[-1000:]

    def _run(self, program: Program, *arguments: str) -> Ran:
        return self.bench.bare.call(program, *arguments, folder=self.folder, CASE_DATABASE=self.url)

    def sql(self, text: str, *, role: str = "") -> None:
        """Runs a text of SQL as it stands, as the project's own role unless another is named."""
        text = text.replace("{role}", self.role).replace("{database}", self.database)
        self.bench.server.run(text, database=self.database, role=role or self.role)

    def load_base(self) -> None:
        """Gives the base to psql, as a person would."""
        if self.case.base:
            self.bench.server.psql(self.case.base, database=self.database)

    def take(self, step: Step) -> None:
        """Lets a step happen."""
        match step.by:
            case "alembic":
                self.alembic(*step.arguments)
            case "heal":
                self.call("heal", *step.arguments)
            case "sql":
                self.sql(*step.arguments)
            case "admin":
                self.sql(*step.arguments, role=SUPERUSER)

    def picture(self) -> Counter[str]:
        """Everything in the database."""
        return self.bench.server.picture(self.database)

    @contextmanager
    def copied(self) -> Iterator["Trial"]:
        """The same case in a copy of its database."""
        owner = self.role if self.case.role == "owner" else SUPERUSER
        with self.bench.server.database(template=self.database, owner=owner) as copy:
            trial = replace(self, database=copy, said=[])
            trial.write_project()
            shutil.copy(self.folder / "tape.json", trial.folder)
            yield trial
