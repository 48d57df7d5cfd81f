"""Stamps what is really there and applies what is missing, in one transaction; `--stamp-only` only stamps."""

from commands.fix_migration_state import STAMP_ONLY, fix
from commands.script import DRY_RUN, run_script

if __name__ == "__main__":
    run_script(fix, STAMP_ONLY, DRY_RUN)
