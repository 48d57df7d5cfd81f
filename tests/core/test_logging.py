"""The log of failures that every request meets: a line when they begin, and not one each."""

from typing import Any
from uuid import uuid4

import pytest

from core.errors import DatabaseFull
from core.observability.logging import log_failure


def test_what_fails_again_and_again_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time is told at once, those that follow together later on; another reason is another failure."""
    said: list[tuple[str, dict[str, Any]]] = []
    here, there = DatabaseFull(f"one {uuid4()}"), DatabaseFull(f"another {uuid4()}")

    def write(event: str, **fields: Any) -> None:
        said.append((event, fields))

    for failure in (here, here, there, here):
        log_failure(write, "request failed", failure, error="DatabaseFull")
    assert said == [("request failed", {"reason": str(each), "error": "DatabaseFull"}) for each in (here, there)]
    monkeypatch.setattr("core.observability.logging.FAILURE_SECONDS", 0)
    log_failure(write, "request failed", here)
    assert said[2:] == [("request failed", {"reason": str(here), "times": 3})]
