"""Heals a database whose tables and Alembic's record disagree, and says what it found and what it did."""

from commands.resolve_migration_error import resolve
from commands.script import DRY_RUN, run_script

if __name__ == "__main__":
    run_script(resolve, DRY_RUN)
