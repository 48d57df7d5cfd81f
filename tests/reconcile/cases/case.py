"""What a case is: a small chain, what happened to a database, and the end that is right for whoever owns it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Outcome = Literal["current", "healed", "refused", "told"]


@dataclass(frozen=True)
class Step:
    """Something that happens to the database: by Alembic, by SQL of the user or of an administrator, or by a heal."""

    by: Literal["alembic", "sql", "admin", "heal"]
    arguments: tuple[str, ...]


def upgrade(revision: str) -> Step:
    """`alembic upgrade`, without reconcile."""
    return Step("alembic", ("upgrade", revision))


def sql(text: str) -> Step:
    """SQL of whoever the project connects as; `{role}` and `{database}` stand for their names."""
    return Step("sql", (text,))


def admin(text: str) -> Step:
    """SQL of a superuser."""
    return Step("admin", (text,))


def heal(*arguments: str) -> Step:
    """The command line's heal."""
    return Step("heal", arguments)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A chain of revisions r1, r2, …, each the body of an `upgrade()`, what happened, and what is right then.

    `right` is how a heal ends: "current" finds nothing to do and changes nothing, "healed" is at the head and verified,
    "refused" has changed nothing, and "told" leaves that to `after` and `never`. Of several, any will do.
    `after` are queries with their answers; those of a refusal hold once a way on that it names was followed, unless
    that way assumes another revision than the `truth`. `says` are words that status or heal must say, `never` words
    that nothing may say. In the end the database holds the "same" as plain Alembic makes, "more", or "any" thing else.
    `ways` is how many ways on a refusal must name at least; each that it names is followed.
    `role` is what the project connects as: the superuser, the owner of the database, who is none, or a guest in it.
    `names` are the revisions' ids, where they aren't r1, r2, …; `parents` are those that one follows, where it isn't
    the one before it.
    """

    id: str
    why: str
    revisions: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    right: tuple[Outcome, ...]
    after: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    truth: str = ""
    ways: int = 0
    env: str = "template"
    head: str = ""
    base: str = ""
    ini: str = ""
    recordable: bool = True
    role: Literal["superuser", "owner", "guest"] = "superuser"
    encoding: str = "UTF8"
    holds: Literal["same", "more", "any"] = "same"
    names: tuple[str, ...] = ()
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def chain(self) -> tuple[object, ...]:
        """What a recording depends on."""
        return self.revisions, self.names, tuple(self.parents.items()), self.env, self.head, self.base, self.ini

    @property
    def ids(self) -> tuple[str, ...]:
        """The revisions' ids."""
        return self.names or tuple(f"r{number}" for number in range(1, len(self.revisions) + 1))


@dataclass(frozen=True)
class Form:
    """One of the forms in which a kind is met."""

    name: str
    steps: tuple[Step, ...]
    changes: Mapping[str, Any]


def form(name: str, *steps: Step, **changes: Any) -> Form:
    """A form: the steps that come after the kind's own, unless it brings all, and what else is otherwise in it."""
    return Form(name, steps, changes)


def forms(kind: Case, *of_kind: Form) -> tuple[Case, ...]:
    """The cases of one kind."""
    return tuple(
        replace(kind, **{"id": f"{kind.id}, {one.name}", "steps": kind.steps + one.steps, **one.changes})
        for one in of_kind
    )
