"""Resumable uploads that are created together: none of their creators pays for another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audio.intake.batch_inserter import BatchInserter
from audio.intake.ingest import Ingest
from audio.intake.quota import Quota
from audio.intake.resumable.errors import TooManyOpenUploads
from audio.intake.resumable.repository import UploadCreator
from audio.intake.resumable.resumable_uploads import Uploads
from audio.intake.resumable.upload_requests import NewUpload
from audio.model.details import Details
from core.database.engine import lock_name
from tests.audio.house import House, open_house

SERVERS, EACH, LIMIT = 3, 60, 5


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """A deployment without recordings."""
    async with open_house(database, tmp_path / "recordings") as house:
        yield house


def uploads_of(house: House) -> Uploads:
    """The resumable uploads of one more server of the deployment."""
    quota = Quota(limit_bytes=0, limit_recordings=0)
    inserter = BatchInserter(house.sessions)
    ingest = Ingest(
        sessions=house.sessions, inserter=inserter, storage=house.storage, limit_bytes=1024 * 1024, quota=quota
    )
    return Uploads(sessions=house.sessions, storage=house.storage, ingest=ingest, open_limit=LIMIT)


def new(user: str) -> NewUpload:
    """An upload that a user of the settings creates."""
    creator = UploadCreator(address="203.0.113.7", user_id=user)
    return NewUpload(details=Details(user_id=user), file_type=None, length_bytes=1000, creator=creator)


async def test_a_creator_that_is_held_up_holds_up_no_other(house: House) -> None:
    """While another server is stuck amid a creation of ada's, ada waits, and bob's uploads are created."""
    uploads = uploads_of(house)
    async with house.sessions() as session:
        await lock_name(session, "uploads of user ada")
        waiting = [asyncio.create_task(uploads.create(new("ada"))) for _ in range(3)]
        for _ in range(3):
            assert (await uploads.create(new("bob"))).details.user_id == "bob"
        assert not any(task.done() for task in waiting)
        await session.rollback()
    assert [upload.details.user_id for upload in await asyncio.gather(*waiting)] == ["ada"] * 3


async def test_servers_count_together(house: House) -> None:
    """However many a user creates at once, over several servers, no more than the limit are begun, and not one less."""
    servers = [uploads_of(house) for _ in range(SERVERS)]
    users = ("ada", "bob", "eve")
    creating = [server.create(new(user)) for _ in range(EACH // len(users)) for server in servers for user in users]
    outcomes = await asyncio.gather(*creating, return_exceptions=True)
    begun = [outcome.details.user_id for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert {user: begun.count(user) for user in users} == dict.fromkeys(users, LIMIT)
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)} == {TooManyOpenUploads}
