"""The sweeper: what it moves, what it only tells, and everything that it must leave alone."""

import asyncio
import fcntl
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audio.model.manifest import manifest_name
from audio.upkeep.sweeper import Sweeper, SweepInProgress
from storage.local.staged_file import StagedFile
from tests.audio.house import LATER, House, open_house
from tests.audio.samples import recording
from tests.conftest import RunSql

YEARS = 10 * 365 * 24 * 3600.0
FREE = "2026/11/24/audio_20261124_100000_{:016x}.wav"


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """A deployment with three recordings, paired."""
    async with open_house(database, tmp_path / "recordings") as house:
        await house.sweep()
        for _ in range(3):
            await house.record()
        yield house


def put(root: Path, name: str, content: bytes = b"bytes") -> None:
    """Writes a file."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


async def test_where_all_is_well_nothing_is_moved(house: House) -> None:
    """Recordings with their rows stay where they are, however old they are."""
    before = house.files()
    sweep = await house.sweep(ahead=YEARS)
    assert (sweep.rows, sweep.files, sweep.left_over, sweep.rows_without_bytes) == (3, 3, 0, 0)
    assert (sweep.rows_without_manifest, sweep.others, sweep.expired, sweep.stopped) == (0, 0, 0, None)
    assert house.files() == before


async def test_what_is_left_over_is_kept_in_quarantine(house: House) -> None:
    """Bytes without a row are put aside with their manifest after a day, whole; before, they are left alone."""
    row = await house.record(enter=False)
    manifest = manifest_name(row.file_path)
    manifest_bytes = (house.root / manifest).read_bytes()
    young = await house.sweep(ahead=LATER - 120)
    assert (young.left_over, young.quarantined) == (0, 0)
    dry = await house.sweep(dry_run=True)
    assert (dry.left_over, dry.quarantined) == (1, 0)
    assert row.file_path in house.files()

    sweep = await house.sweep()
    assert (sweep.files, sweep.left_over, sweep.quarantined) == (4, 1, 1)
    assert not {row.file_path, manifest} & house.files()
    assert (house.root / ".quarantine" / row.file_path).read_bytes() == recording("wav")
    assert (house.root / ".quarantine" / manifest).read_bytes() == manifest_bytes
    again = await house.sweep(ahead=YEARS)
    assert (again.left_over, again.files) == (0, 3)
    assert len(house.files()) == 8


async def test_a_row_that_comes_back_gets_its_bytes_back(house: House) -> None:
    """A restored database finds again what was put aside while it was away; a dry run changes nothing."""
    row = await house.record()
    before = house.files()
    await house.forget(row)
    assert (await house.sweep()).quarantined == 1
    identity = await house.enter(row.file_path)
    dry = await house.sweep(dry_run=True)
    assert (dry.rows_without_bytes, dry.some_without_bytes) == (1, [identity])
    sweep = await house.sweep()
    assert (sweep.put_back, sweep.rows_without_bytes) == (1, 0)
    assert house.files() == before


async def test_rows_without_bytes_are_told_and_stay(house: House, run_sql: RunSql) -> None:
    """A row whose bytes are gone is reported by its id, and neither it nor its manifest is touched."""
    row = await house.record()
    (house.root / row.file_path).unlink()
    rows = await run_sql("SELECT * FROM audio_files ORDER BY id")
    sweep = await house.sweep()
    assert (sweep.rows_without_bytes, sweep.some_without_bytes, sweep.left_over) == (1, [row.id], 0)
    assert await run_sql("SELECT * FROM audio_files ORDER BY id") == rows
    assert manifest_name(row.file_path) in house.files()


async def test_a_manifest_without_bytes_is_left_over(house: House) -> None:
    """A manifest whose bytes and row are gone is put aside like the bytes would be."""
    row = await house.record(enter=False)
    (house.root / row.file_path).unlink()
    sweep = await house.sweep()
    assert (sweep.files, sweep.left_over, sweep.quarantined) == (3, 1, 1)
    assert f".quarantine/{manifest_name(row.file_path)}" in house.files()


async def test_bytes_without_a_manifest_are_old_recordings(house: House) -> None:
    """A recording from before there were manifests is counted, and left as it is."""
    row = await house.record()
    (house.root / manifest_name(row.file_path)).unlink()
    before = house.files()
    sweep = await house.sweep()
    assert (sweep.rows_without_manifest, sweep.left_over) == (1, 0)
    assert house.files() == before


async def test_files_of_others_are_left_alone(house: House, tmp_path: Path) -> None:
    """What Pegasus didn't name, what is hidden, and what links lead to is never moved."""
    for name in (
        "notes.txt",
        "2026/11/24/song.wav",
        "2026/11/24/audio_x.wav",
        ".hidden",
        ".git/config",
        "b\udcffd.wav",
    ):
        put(house.root, name)
    put(tmp_path, "elsewhere/" + FREE.format(1))
    (house.root / "link").symlink_to(tmp_path / "elsewhere")
    (house.root / FREE.format(2)).symlink_to(tmp_path / "elsewhere" / FREE.format(1))
    before = house.files()
    sweep = await house.sweep(ahead=YEARS, consent=True)
    assert (sweep.others, sweep.left_over) == (4, 0)
    assert house.files() == before
    assert (tmp_path / "elsewhere" / FREE.format(1)).exists()


@pytest.mark.parametrize(
    "shape", ["./{}", "{root}/{}", "{root}/../recordings/{}", "{root}/years/{year}", "years/{year}"]
)
async def test_rows_of_old_deployments_keep_their_files(house: House, shape: str) -> None:
    """However an old row spells where its bytes lie, by a link or a whole path, they are not left over."""
    (house.root / "years").symlink_to(house.root / "2024")
    for number in range(30):
        name = FREE.replace("2026/", "2024/").format(number)
        put(house.root, name)
        await house.enter(shape.format(name, root=house.root, year=name.removeprefix("2024/")))
    before = house.files()
    sweep = await house.sweep(ahead=YEARS)
    assert (sweep.rows, sweep.rows_without_bytes, sweep.rows_without_manifest) == (33, 0, 30)
    assert (sweep.files, sweep.left_over, sweep.stopped) == (33, 0, None)
    assert house.files() == before


async def test_no_row_leads_out_of_quarantine_or_storage(house: House, tmp_path: Path) -> None:
    """A row with a hostile path gets nothing put into a place that isn't its own."""
    put(tmp_path, "stolen.wav")
    put(house.root, ".quarantine/out/a.wav")
    (house.root / "out").symlink_to(tmp_path)
    for path in (
        "out/a.wav",
        "../../stolen.wav",
        "/etc/hostname",
        ".quarantine/a.wav",
        "../stolen.wav",
        "a/../../stolen.wav",
    ):
        await house.enter(path)
    sweep = await house.sweep()
    assert (sweep.put_back, sweep.rows_without_bytes) == (0, 6)
    assert (tmp_path / "stolen.wav").exists()
    assert not (tmp_path / "a.wav").exists()


async def test_only_expired_staging_is_removed(house: House) -> None:
    """What was staged a day ago by a process that is gone is removed; what is young, held or another's isn't."""
    staging = house.root / ".staging"
    held = StagedFile(str(staging))
    held.open()
    put(house.root, ".staging/uploads/" + "a" * 32)
    put(house.root, ".staging/" + "b" * 32)
    put(house.root, ".staging/notes")
    before = house.files()
    assert (await house.sweep(ahead=0)).expired == 0
    assert (await house.sweep(ahead=-YEARS)).expired == 0
    assert (await house.sweep(dry_run=True)).expired == 1
    assert house.files() == before
    assert (await house.sweep(ahead=YEARS)).expired == 1
    assert before - house.files() == {".staging/" + "b" * 32}
    held.write(b"still there")
    held.discard()


async def test_where_files_cannot_be_locked_none_is_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks can't tell who holds a file, so all count as held; uploads go on."""

    def no_locks(*_: object) -> None:
        raise OSError(95, os.strerror(95))

    put(house.root, ".staging/" + "b" * 32)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    await house.record()
    assert (await house.sweep(ahead=YEARS)).expired == 0


async def test_uploads_that_expired_by_the_table_are_counted(house: House) -> None:
    """Resumable uploads expire by a function of their own, never in a dry run."""

    async def expire() -> int:
        return 7

    sweeper = house.sweeper(expire_uploads=expire)
    assert (dry := await sweeper.sweep(dry_run=True)) is not None
    assert dry.expired == 0
    assert (sweep := await sweeper.sweep()) is not None
    assert sweep.expired == 7


async def test_more_than_crashes_explain_stops_it(house: House) -> None:
    """When a large part would be left over, nothing is moved or removed until a person says so."""
    rows = [await house.record() for _ in range(11)]
    put(house.root, ".staging/" + "b" * 32)
    await house.forget(*rows)
    before = house.files()
    sweep = await house.sweep()
    assert (sweep.left_over, sweep.quarantined, sweep.expired) == (11, 0, 0)
    assert "python -m storage sweep --yes" in (sweep.stopped or "")
    assert house.files() == before
    assert (await house.sweep(consent=True)).quarantined == 11


async def test_a_few_of_many_are_put_aside(house: House) -> None:
    """One in a hundred is what crashes leave behind in a large storage."""
    for number in range(1200):
        put(house.root, FREE.format(number))
    async with house.sessions() as session:
        connection = await session.connection()
        for number in range(1188):
            await connection.exec_driver_sql(
                "INSERT INTO audio_files (id, filename, file_path, processing_status)"
                f" VALUES (gen_random_uuid(), 'a', '{FREE.format(number)}', 'completed')"
            )
        await session.commit()
    sweep = await house.sweep()
    assert (sweep.files, sweep.left_over, sweep.quarantined, sweep.stopped) == (1203, 12, 12, None)


async def test_a_row_that_comes_meanwhile_keeps_its_bytes(house: House) -> None:
    """An upload that enters its row while it is being swept keeps its bytes, even if every clock says it is old."""
    row = await house.record(enter=False)

    async def meanwhile() -> int:
        await house.enter(row.file_path)
        return 0

    before = house.files()
    sweep = await house.sweeper(ahead=YEARS, expire_uploads=meanwhile).sweep()
    assert sweep is not None
    assert (sweep.left_over, sweep.quarantined) == (1, 0)
    assert house.files() == before


async def test_one_sweeps_at_a_time(house: House, run_sql: RunSql) -> None:
    """Of two sweepers at once one says that the other is at work; and an index can be built meanwhile."""
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> int:
        under_way.set()
        await go_on.wait()
        return 0

    first = asyncio.create_task(house.sweeper(expire_uploads=wait).sweep())
    await under_way.wait()
    with pytest.raises(SweepInProgress):
        await house.sweep()
    await run_sql("CREATE INDEX CONCURRENTLY meanwhile ON audio_files (duration_seconds)")
    go_on.set()
    assert await first is not None
    await house.sweep()


async def test_what_another_process_has_just_swept_is_left(house: House) -> None:
    """Many processes with one schedule sweep once; a clock that jumped is no reason to leave it out."""
    sweeper = house.sweeper(ahead=0)
    await sweeper.sweep()
    assert await sweeper.sweep(unless_within=3600) is None
    assert await house.sweeper(ahead=4000).sweep(unless_within=3600) is not None
    assert await house.sweeper(ahead=-YEARS).sweep(unless_within=3600) is not None


async def test_a_delete_under_way_is_no_loss(house: House) -> None:
    """Recordings that are deleted while they are compared are neither missing nor left over."""
    rows = [await house.record() for _ in range(3)]

    class Deleting(Sweeper):
        async def _report_missing(self, *arguments: object, **more: object) -> None:
            await house.forget(*rows)
            await super()._report_missing(*arguments, **more)  # type: ignore[arg-type]

    for row in rows:
        (house.root / row.file_path).unlink()
        (house.root / manifest_name(row.file_path)).unlink()
    sweeper = Deleting(sessions=house.sessions, upkeep=house.sweeper().upkeep, settle_seconds=0)
    sweep = await sweeper.sweep()
    assert sweep is not None
    assert (sweep.rows_without_bytes, sweep.left_over) == (0, 0)


async def peak_bytes(house: House, run_sql: RunSql, *, files: int, rows: int) -> int:
    """What a sweep takes of memory at most, over that many files and rows; a row beyond the files has no bytes.

    Of several sweeps it is the least: in any of them the interpreter may enlarge a table of its own, by megabytes.
    """
    for number in range(files):
        put(house.root, FREE.format(number), b"")
    await run_sql(
        "INSERT INTO audio_files (id, filename, file_path, processing_status)"
        " SELECT gen_random_uuid(), 'a', format('2026/11/24/audio_20261124_100000_%s.wav', lpad(to_hex(n), 16, '0')),"
        " 'completed' FROM generate_series(0, $1::int - 1) n ON CONFLICT DO NOTHING",
        rows,
    )
    peaks = []
    for _ in range(3):
        tracemalloc.start()
        try:
            sweep = await house.sweep()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert (sweep.files, sweep.rows, sweep.rows_without_bytes) == (files + 3, rows + 3, rows - files)
    return min(peaks)


async def test_memory_does_not_grow_with_the_storage(house: House, run_sql: RunSql) -> None:
    """A sweep over more rows and files takes no more memory."""
    await peak_bytes(house, run_sql, files=50, rows=50)  # loads what is loaded once
    small = await peak_bytes(house, run_sql, files=500, rows=500)
    large = await peak_bytes(house, run_sql, files=3000, rows=3000)
    assert large < small + 100_000, (small, large)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_memory_does_not_grow_with_a_large_storage(house: House, run_sql: RunSql) -> None:
    """50,000 files and twice as many rows, half of them without bytes, are compared in less than their names take."""
    peak = await peak_bytes(house, run_sql, files=50_000, rows=100_000)
    print(f"peak {peak} bytes")
    assert peak < 12 * 1024 * 1024


async def test_a_sweep_tells_ids_and_no_places(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """The log names recordings without bytes by their ids, and nobody's files."""
    row = await house.record()
    (house.root / row.file_path).unlink()
    (await house.sweep()).log()
    output = capsys.readouterr().out
    assert "recordings without their bytes" in output
    assert str(row.id) in output
    assert row.filename not in output
