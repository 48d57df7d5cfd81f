"""What a person has chosen on the command line, for a project."""

from argparse import Namespace

from ..inspection.inspect import DEFAULTS, Choices
from ..schema.errors import ReconcileError
from ..tape.project import Project


def choices_of(options: Namespace, project: Project) -> Choices:
    """The choices; the defaults for a command that has none.

    Raises:
        ReconcileError: a revision is named that isn't the project's.
    """
    if "assume" not in options:
        return DEFAULTS
    assume = options.assume and ", ".join(revision.strip() for revision in options.assume.split(","))
    strange = [revision for revision in (assume or "").split(", ") if revision and revision not in project.tape.ids]
    if strange:
        raise ReconcileError(f"There is no revision {strange[0]}; there are {', '.join(project.tape.ids)}.")
    return Choices(assume=assume, row_limit=options.row_limit, consent=options.yes)
