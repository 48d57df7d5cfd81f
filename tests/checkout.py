"""The checkout as a commit would hold it now."""

import shutil
import subprocess
from pathlib import Path

from core.settings import ROOT


def copy_checkout(folder: Path) -> None:
    """Copies the files that git tracks or would: neither `.venv` nor data nor settings."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
