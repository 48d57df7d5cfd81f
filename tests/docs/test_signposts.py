"""What the documents point to is there: pages, headings, files, folders and modules."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from core.settings import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAST = {ROOT / "CHANGELOG.md"}  # it may name what is gone
ROOTS = (
    "",
    "backend",
    "backend/web",
    "backend/audio",
    "backend/audio/intake",
    "backend/audio/processing",
    "backend/core",
    "backend/storage",
    "backend/reconcile",
    "tests",
)
PACKAGES = "access|api|app|audio|commands|core|reconcile|storage"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|sql|toml|ini|lock|mako|js)")
_MODULE = re.compile(rf"(?:{PACKAGES})(?:\.[a-z_]\w*)+")
# What lies on a user's machine and not in the repository.
ELSEWHERE = re.compile(
    r"(?:\./)?data\b|(?:backend/)?\.env|DATA_PATH/|\.pegasus/|secrets/|worker\.lock|recordings/|uploads/|processing/|\.venv|\.quarantine|\.engines|\.staging|dist/|node_modules|/?tmp/|versions/"
    r"|path/to|[\w.-]*example[\w.-]*/|s3://|audio/[\w*.+-]+$|text/|application/|video/|YYYY|/api|/docs|/health|\d"
)


def code_spans(page: Path) -> Iterator[str]:
    """What stands in backticks outside of blocks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from _CODE.findall(text)


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as they are made on the usual sites."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_to_a_page_and_a_heading() -> None:
    """A link between documents leads to a file that is there, and to a heading in it."""
    broken = []
    for page in PAGES:
        for link in _LINK.findall(page.read_text()):
            if re.match(r"https?:|mailto:", link):
                continue
            name, _, fragment = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (fragment and fragment not in anchors(target)):
                broken.append((page.name, link))
    assert broken == []


def test_every_page_is_reached_from_the_start() -> None:
    """README and docs/README between them link every document."""
    linked = {
        (start.parent / link.partition("#")[0]).resolve()
        for start in (ROOT / "README.md", ROOT / "docs" / "README.md")
        for link in _LINK.findall(start.read_text())
    }
    pages = {page for page in PAGES if page.parent == ROOT / "docs" or "decisions" in page.parts} - {
        ROOT / "docs" / "README.md"
    }
    assert pages - linked == set()


def test_every_file_and_module_that_is_named_is_there() -> None:
    """A path or a module in a document's text names what the repository has today."""
    missing = []
    for page in PAGES:
        if page in PAST:
            continue
        for span in code_spans(page):
            if _PATH.fullmatch(span):
                there = bool(ELSEWHERE.match(span)) or is_path(span, page)
            else:
                there = not _MODULE.fullmatch(span) or is_module_or_name(span)
            if not there:
                missing.append((page.name, span))
    assert missing == []


def is_path(name: str, page: Path) -> bool:
    """Whether a file or folder is there, under the root or a folder that the documents speak of."""
    if "/" not in name:
        return any(ROOT.glob(f"backend/**/{name}")) or any(ROOT.glob(f"tests/**/{name}")) or (ROOT / name).exists()
    return any((ROOT / root / name).exists() for root in ROOTS) or (page.parent / name).exists()


def is_module_or_name(dotted: str) -> bool:
    """Whether it names a module, or something in one."""
    try:
        return find_spec(dotted) is not None
    except ModuleNotFoundError:
        parent, _, name = dotted.rpartition(".")
        try:
            spec = find_spec(parent)
        except ModuleNotFoundError:
            return False
        return spec is not None and name in Path(spec.origin or "").read_text()
