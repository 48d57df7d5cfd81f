"""Checks the database against the revisions, and changes nothing; `--show-structure` prints what it holds."""

from commands.script import run_script
from commands.verify_migration import SHOW_STRUCTURE, verify

if __name__ == "__main__":
    run_script(verify, SHOW_STRUCTURE)
