"""Uploads a recording with a tag and a category, checks what comes back, and removes it."""

import sys

from commands.check_upload import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
