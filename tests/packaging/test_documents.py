"""`.env.example` and the documentation describe what there is."""

import re
from pathlib import Path

import pytest

from api.errors import ALL_PROBLEMS
from core.settings import Settings, load_settings
from reconcile.planning.report import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
NAMES = {name.upper() for name in Settings.model_fields}
EXAMPLE = (ROOT / ".env.example").read_text()


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_example_describes_every_setting() -> None:
    """Each setting stands in `.env.example` once, below a line that says what it does."""
    assert sorted(re.findall(r"^# .*[^\n]\n#([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE)) == sorted(NAMES)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    """Taking every # away from `.env.example` changes nothing."""
    uncommented = tmp_path / "uncommented"
    uncommented.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE))
    assert load_settings(uncommented) == load_settings(tmp_path / "absent")


def test_the_example_is_a_valid_env_file() -> None:
    """A fresh `.env`, copied from the example, sets nothing."""
    assert load_settings(ROOT / ".env.example") == load_settings(ROOT / "absent")


def test_the_documentation_describes_every_setting() -> None:
    """docs/configuration.md has a row for each setting, and none for others."""
    rows = re.findall(r"^\| `([A-Z_]+)` ", (ROOT / "docs/configuration.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(NAMES)


def test_the_documentation_describes_every_verdict() -> None:
    """docs/troubleshooting.md tells each verdict with the exit code that it has."""
    text = (ROOT / "docs/troubleshooting.md").read_text()
    rows = re.findall(r"^\| `([a-z]+)` \| (\d+) \|", text, flags=re.MULTILINE)
    assert {verdict: int(code) for verdict, code in rows} == {
        str(verdict): code for verdict, code in EXIT_CODES.items()
    }


def test_the_documentation_describes_every_problem() -> None:
    """docs/errors.md has a row for each problem that the API answers with, with its status, and none for others."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| ", (ROOT / "docs/errors.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted({(problem.slug, str(problem.status)) for problem in ALL_PROBLEMS})


def test_no_link_is_dead() -> None:
    """Each relative link in the documentation leads to a file that there is."""
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!\w+:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
