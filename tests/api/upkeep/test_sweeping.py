"""The sweeper beside a server: in the background, on its schedule, and never in the way of an upload."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.application import create_app
from app.storage_factory import local_storage
from audio.upkeep.sweep_report import SweepReport
from audio.upkeep.sweeper import Sweeper, SweepInProgress
from core.database.engine import open_engine, sessions_on
from core.settings import Settings
from storage.local.upkeep import file_system_time
from tests.api.conftest import Look, Started
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, head, until_kept, wire
from tests.conftest import RunSql
from tests.stored import Stored

pytestmark = pytest.mark.folder
DECADE = 10 * 365 * 24 * 3600.0
LEFT_OVER = "2026/11/24/audio_20261124_100000_{}.wav"
WAITED_FOR = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
Sweeping = Callable[..., Sweeper]


@pytest.fixture
def sweep_hours() -> float:
    """The server sweeps, as it does unless told otherwise."""
    return 24


@pytest.fixture
async def sweeper(database: str, settings: Settings) -> AsyncIterator[Sweeping]:
    """A sweeper on the server's database and storage, whose clock is ten years ahead."""
    engine = open_engine(database)

    def make(*, meanwhile: Callable[[], Awaitable[int]] | None = None) -> Sweeper:
        upkeep = local_storage(settings).upkeep(clock=lambda probe: file_system_time(probe) + DECADE)
        sessions = sessions_on(engine, database)
        return Sweeper(sessions=sessions, upkeep=upkeep, expire_uploads=meanwhile, settle_seconds=0)

    yield make
    await engine.dispose()


async def swept(sweeper: Sweeper) -> SweepReport:
    """Sweeps, as soon as the server's own first sweep has ended."""
    while True:
        try:
            sweep = await sweeper.sweep()
        except SweepInProgress:
            await asyncio.sleep(0.05)
        else:
            assert sweep is not None
            return sweep


async def until_swept(settings: Settings) -> None:
    """Waits until a sweep has gone through."""
    while not (settings.storage_root / ".pegasus" / "swept").exists():
        await asyncio.sleep(0.05)


async def test_a_server_sweeps_once_it_has_started(app: Started, settings: Settings, run_sql: RunSql) -> None:
    """Started for the first time, a server gives database and storage one id, and sweeps in the background."""
    assert "sweeper" in {task.get_name() for task in asyncio.all_tasks()}
    (row,) = await run_sql("SELECT id FROM pegasus_system.storage_identity")
    assert (settings.storage_root / ".pegasus" / "id").read_text() == f"{row['id']}\n"
    await until_swept(settings)


async def test_without_hours_nothing_is_swept(settings: Settings) -> None:
    """SWEEP_HOURS=0 turns the sweeper off; database and storage get their id all the same."""
    app = create_app(settings.model_copy(update={"sweep_hours": 0}))
    async with app.router.lifespan_context(app):
        assert "sweeper" not in {task.get_name() for task in asyncio.all_tasks()}
    assert (settings.storage_root / ".pegasus" / "id").exists()
    assert not (settings.storage_root / ".pegasus" / "swept").exists()


async def test_a_stop_ends_a_sweep(settings: Settings, database: str) -> None:
    """A server that is stopped while it sweeps stops at once, and leaves nobody waiting."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        await until_swept(settings)
    (settings.storage_root / ".pegasus" / "swept").unlink()
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    async with app.router.lifespan_context(app):
        await connection.execute("LOCK TABLE audio_files IN ACCESS EXCLUSIVE MODE")
        while not (await connection.fetchval(WAITED_FOR) or (settings.storage_root / ".pegasus" / "swept").exists()):
            await asyncio.sleep(0.01)
    await transaction.rollback()
    left = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    await connection.close()
    assert left == 0


async def test_an_upload_under_way_is_never_swept(
    server: str, sweeper: Sweeping, kept: Look, settings: Settings
) -> None:
    """An upload of which half has come is left alone, even when every clock says that it is ten years old."""
    content = WAV + bytes(800_000)
    body = FILE_HEAD + content + END
    async with wire(server) as client:
        await client.send(head(length=len(body)), body[:400_000])
        await until_kept(kept, files=1)
        sweep = await swept(sweeper())
        assert sweep.expired == 0
        assert len((await kept()).files) == 1
        await client.send(body[400_000:])
        assert (await client.answer())[0] == 200
    (row,) = (await kept()).rows
    assert Stored(settings).read(row["file_path"]) == content


async def test_an_upload_that_enters_its_row_is_never_swept(
    server: str, sweeper: Sweeping, kept: Look, database: str
) -> None:
    """Bytes that are in place, and whose row is on its way, stay, even when every clock says that they are old."""
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE audio_files IN EXCLUSIVE MODE")  # reading goes on
    async with httpx.AsyncClient() as client:
        upload = asyncio.create_task(
            client.post(f"{server}/api/audio/upload", files={"file": ("memo.wav", WAV)}, timeout=60)
        )
        await until_kept(kept, files=2)

        async def let_it_in() -> int:
            await transaction.rollback()
            assert (await upload).status_code == 200
            return 0

        sweep = await swept(sweeper(meanwhile=let_it_in))
    await connection.close()
    assert (sweep.left_over, sweep.quarantined) == (1, 0)
    assert not [name for name in (await kept()).files if name.startswith(".quarantine")]


async def test_a_wrong_database_is_served_and_never_swept(
    settings: Settings, run_sql: RunSql, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a storage that belongs to another database the server says so, takes recordings in, and moves nothing."""
    root = settings.storage_root
    (root / ".pegasus").mkdir(parents=True, mode=0o700)
    (root / ".pegasus" / "id").write_text("00000000-0000-4000-8000-000000000000\n")
    left = [root / LEFT_OVER.format(number) for number in range(3)]
    left[0].parent.mkdir(parents=True)
    for path in left:
        path.write_bytes(b"somebody's")
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(app=Started(app, dict(state or {})))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", WAV)})
            assert answer.status_code == 200
            assert (await client.get("/health/ready")).status_code == 200
    assert "python -m storage adopt" in capsys.readouterr().out
    assert all(path.exists() for path in left)
    assert not (root / ".quarantine").exists()
    assert await run_sql("SELECT id FROM pegasus_system.storage_identity") == []
