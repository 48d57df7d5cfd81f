"""The command line `python -m storage {verify,sweep,adopt,rebuild,copy,import}`, on what the settings name."""

import sys

from commands.storage import main

if __name__ == "__main__":
    sys.exit(main())
