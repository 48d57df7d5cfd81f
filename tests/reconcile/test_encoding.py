"""Pegasus on databases that can't hold every name and tag: it says so before it does anything."""

from pathlib import Path

import pytest

from tests.api.test_main import refusal

from .cases.databases import Server


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "WIN1251"])
@pytest.mark.parametrize("migrations", ["heal", "verify"])
def test_another_encoding_is_refused(server_address: str, tmp_path: Path, encoding: str, migrations: str) -> None:
    """The start ends with a sentence that names the encoding and the one that is needed; the database stays empty."""
    server = Server(server_address)
    with server.database(encoding=encoding) as database:
        before = server.picture(database)
        code, said = refusal(tmp_path, DATABASE_URL=server.at(database), MIGRATIONS=migrations)
        assert code != 0
        assert encoding in said
        assert "UTF8" in said
        assert "Traceback" not in said
        assert server.picture(database) == before
