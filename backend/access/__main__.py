"""The command line for tokens: `python -m access {create,list,revoke} [--json]`, on the configured database."""

import sys

from commands.access import main

if __name__ == "__main__":
    sys.exit(main())
