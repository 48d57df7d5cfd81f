"""The application as tests/api has it, with the sweeper, whose findings are told."""

import pytest

from tests.api.conftest import (
    app,
    client,
    database,
    far_client,
    kept,
    make_token,
    serve,
    server,
    settings,
    upload,
    way,
)

__all__ = [
    "app",
    "client",
    "database",
    "far_client",
    "kept",
    "make_token",
    "serve",
    "server",
    "settings",
    "sweep_hours",
    "upload",
    "way",
]


@pytest.fixture
def sweep_hours() -> float:
    """The server sweeps, as it does unless told otherwise."""
    return 24
