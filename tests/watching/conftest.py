"""The application as tests/api has it."""

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
    "upload",
    "way",
]
