"""What is installed is pinned, hashed, and the same wherever it comes from."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {
    "requirements.lock": [],
    "requirements-dev.lock": ["dev"],
    "requirements-whisper.lock": ["whisper"],
    "requirements-speakers.lock": ["speakers"],
    "requirements-telemetry.lock": ["telemetry"],
    "tests/whisper/requirements.lock": ["dev", "speakers"],
    "tests/browser/requirements.lock": ["dev"],
}
BARE = "tests/reconcile/cases/requirements.lock"  # what another project has that uses reconcile
ORACLE = "tests/reconcile/oracle/requirements.lock"
NEWEST, OLDEST = "tests/distribution/newest.lock", "tests/distribution/oldest.lock"  # what else it may have
LOCKS = (*EXTRAS, BARE, ORACLE, NEWEST, OLDEST)
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def entries(lock: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement of a lock file, with its hashes."""
    text = re.sub(r"^\s*#.*$", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package; a package has several where its marker tells platforms apart."""
    found: dict[str, set[str]] = {}
    for requirement, _ in entries(lock):
        (specifier,) = requirement.specifier
        found.setdefault(canonicalize_name(requirement.name), set()).add(specifier.version)
    return found


def declared(lock: str) -> list[Requirement]:
    if lock not in EXTRAS:
        lines = (ROOT / lock).with_suffix(".in").read_text().splitlines()
        return [Requirement(line) for line in lines if not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for extra in EXTRAS[lock] for text in project["optional-dependencies"][extra]]
    return [Requirement(text) for text in [*project["dependencies"], *extras]]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_requirement_is_pinned_and_hashed(lock: str) -> None:
    """An altered or swapped package is never installed."""
    found = list(entries(lock))
    assert len(found) >= len(declared(lock))
    for requirement, hashes in found:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(SHA256.fullmatch(text) for text in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_no_registry_and_no_machine_is_named(lock: str) -> None:
    """A lock file says what is installed; where from is each machine's own configuration."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", re.sub(r"^\s*--hash=", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    assert not re.search(r"(^|\s|@)/\w", text)
    assert [requirement.url for requirement, _ in entries(lock) if requirement.url] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_project_declares(lock: str) -> None:
    """A dependency added to pyproject.toml without `make lock` is noticed."""
    pinned = pins(lock)
    for requirement in declared(lock):
        versions = pinned.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is not in {lock}: run make lock"
        for version in versions:
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: run make lock"


# What is served, and where it is tested.
TESTED = {
    "requirements.lock": "requirements-dev.lock",
    "requirements-telemetry.lock": "requirements-dev.lock",
    "requirements-whisper.lock": "tests/whisper/requirements.lock",
    "requirements-speakers.lock": "tests/whisper/requirements.lock",
    BARE: "requirements-dev.lock",
}


@pytest.mark.parametrize(("served", "tested"), TESTED.items())
def test_tests_run_on_what_is_served(served: str, tested: str) -> None:
    """The versions that were tested are the versions that run in production."""
    versions = pins(tested)
    assert {name: versions.get(name) for name in pins(served)} == pins(served)


@pytest.mark.parametrize("extra", ["speakers", "telemetry", "whisper"])
def test_an_extra_is_added_to_what_is_served(extra: str) -> None:
    """Installing an extra changes none of the versions that are there."""
    versions = pins(f"requirements-{extra}.lock")
    assert {name: versions.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")
