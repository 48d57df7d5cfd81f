"""The application as tests/api serves it, for clients that mean no good."""

from tests.api.conftest import app, client, database, far_client, kept, server, settings, sweep_hours, upload, way

__all__ = ["app", "client", "database", "far_client", "kept", "server", "settings", "sweep_hours", "upload", "way"]
