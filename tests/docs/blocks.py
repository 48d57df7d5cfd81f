"""The fenced blocks of README.md and docs/, and which of those for a shell are run, or named with a reason."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.settings import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between two fences; `first` is its first line, by which it is named."""

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0].partition("  ")[0]


# Pages whose blocks are run, in order and in one shell, in a checkout with a database and, if asked, a server.
RUN = {
    "README.md",
    "docs/api.md",
    "docs/healing.md",
    "docs/lists.md",
    "docs/operations.md",
    "docs/security.md",
    "docs/troubleshooting.md",
    "docs/uploads.md",
}
# Of these and of other pages: what isn't run here, and why. test_documents.py says how it is looked at instead.
NAMED = {
    ("README.md", "make run"): "tests/packaging/test_clean_clone.py runs it in a fresh clone",
    (
        "docs/configuration.md",
        "docker run -e AUTH=open -p 127.0.0.1:8000:8000 -v pegasus:/data pegasus",
    ): "needs Docker",
    ("docs/development.md", "make test"): "each is a test run or changes the checkout",
    ("docs/operations.md", "make -C /opt/pegasus install"): "changes the machine: users, /etc, systemd",
    (
        "docs/operations.md",
        "deploy/make-secrets",
    ): "needs Docker; the first line is run by tests/packaging/test_compose.py",
    (
        "docs/transcription.md",
        ".venv/bin/python -m pip install --require-hashes -r requirements-whisper.lock",
    ): "installs much from the network; `make test-whisper` does",
    (
        "docs/transcription.md",
        ".venv/bin/python -m pip install --require-hashes -r requirements-speakers.lock",
    ): "the same, and the models aren't on this machine",
}
# What a reader replaces, too: an address, a path, an id.
REPLACED = {
    "~/Recordings": "../memo.m4a",
    "5f0c2c1e-…": "$(python -m access list | grep -Eo '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | head -n 1)",
}
# What a page tells in words between two of its blocks.
BETWEEN = {
    ("docs/operations.md", 'mkdir -p "$AUDIO_STORAGE_PATH" && tar -xf recordings.tar -C "$AUDIO_STORAGE_PATH"'): (
        'export DATABASE_URL="$EMPTY_DATABASE" AUDIO_STORAGE_PATH="$PWD/restored"'
    ),
}


def blocks(language: str | None = None) -> Iterator[Block]:
    """Every block, or those in a language."""
    for page in PAGES:
        for found, text in FENCE.findall(page.read_text()):
            if language in {None, found}:
                yield Block(str(page.relative_to(ROOT)), found, text)


def script(page: str, *, port: str) -> str:
    """What of a page is run, as one script, with a server at that port."""
    wanted = [one for one in blocks("bash") if one.page == page and (page, one.first) not in NAMED]
    lines = [line for one in wanted for line in (BETWEEN.get((page, one.first), ":"), one.text)]
    text = "\n".join(lines).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    for old, new in REPLACED.items():
        text = text.replace(old, new)
    return f"set -euo pipefail\n{text}"
