"""What only an object store does: chunks and parts, keys and leases, links, and going away in the middle."""

import asyncio
import multiprocessing
import multiprocessing.synchronize
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest

from storage.contract import PIECE_BYTES, InUse, NameTaken, StorageUnavailable
from storage.s3 import leases
from storage.s3.bucket import Bucket
from storage.s3.chunks import CHUNK_BYTES
from storage.s3.multipart_upload import unfinished
from storage.s3.signature import Signer
from storage.s3.storage import S3Storage
from storage.s3.upkeep import S3Upkeep
from storage.threads import in_thread
from tests.object_store import ObjectStore, names_in
from tests.storage.conftest import S3Driver
from tests.storage.test_contract import NAME, everything

LARGE = os.urandom(1024) * (2 * CHUNK_BYTES // 1024 + 300)  # two chunks and a bit
KEY = "an-upload"
pytestmark = pytest.mark.xdist_group("object store")  # one worker starts one


@pytest.fixture
def bucket(object_store: ObjectStore) -> Bucket:
    """A place of its own in the bucket."""
    return object_store.bucket()


@pytest.fixture
def storage(bucket: Bucket) -> S3Storage:
    """The storage there."""
    return S3Storage(bucket)


def pieces_of(content: bytes) -> Iterator[memoryview]:
    """The content as it comes over a connection."""
    view = memoryview(content)
    for at in range(0, len(view), PIECE_BYTES - 7):
        yield view[at : at + PIECE_BYTES - 7]


def put(storage: S3Storage, name: str, content: bytes) -> None:
    """Stores the content, or leaves nothing."""
    staged = storage.stage()
    try:
        for piece in pieces_of(content):
            staged.write(piece)
        staged.publish(name, beside={f"{name}.json": b"{}"})
    except BaseException:
        staged.discard()
        raise


async def test_what_is_large_goes_in_chunks_and_is_one(bucket: Bucket, storage: S3Storage) -> None:
    """What is larger than a chunk is one object in the end, and nothing else stays."""
    await in_thread(partial(put, storage, NAME, LARGE))
    assert await everything(S3Driver(bucket), NAME) == LARGE
    assert await storage.size(NAME) == len(LARGE)
    assert set(names_in(bucket)) == {NAME, f"{NAME}.json"}
    assert list(unfinished(bucket)) == []


async def test_what_is_large_overwrites_nothing(bucket: Bucket, storage: S3Storage) -> None:
    """A large one whose name is taken is refused, and leaves neither chunks nor parts."""
    await in_thread(partial(put, storage, NAME, b"the first"))
    bucket.delete(f"{NAME}.json")
    with pytest.raises(NameTaken):
        await in_thread(partial(put, storage, NAME, LARGE))
    assert await everything(S3Driver(bucket), NAME) == b"the first"
    assert set(names_in(bucket)) == {NAME}
    assert list(unfinished(bucket)) == []


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, len(LARGE)])
def test_chunks_are_taken_back(bucket: Bucket, storage: S3Storage, size: int) -> None:
    """Whatever is taken back is gone for the next one, too, wherever a chunk ends."""
    held = storage.resume(KEY)
    for piece in pieces_of(LARGE):
        held.write(piece)
    held.truncate(size)
    held.release()
    held = S3Storage(bucket).resume(KEY)
    assert held.size_bytes == size
    held.write(b"anew")
    held.make_durable()
    held.release()
    held = S3Storage(bucket).resume(KEY)
    assert b"".join(held.pieces()) == LARGE[:size] + b"anew"
    held.discard()
    held.release()
    assert set(names_in(bucket)) == set()


async def test_every_machine_goes_on(bucket: Bucket) -> None:
    """An upload whose pieces come to different machines is the same in the end, published by the last."""
    machines = [S3Storage(bucket) for _ in range(4)]
    known = 0
    for number, at in enumerate(range(0, len(LARGE), 3_000_000)):
        held = machines[number % 4].resume(KEY)
        assert held.size_bytes == at
        assert b"".join(held.pieces(start=known)) == LARGE[known:at]
        known = at
        held.write(LARGE[at : at + 3_000_000])
        held.make_durable()
        held.release()
    held = machines[0].resume(KEY)
    held.publish(NAME, beside={f"{NAME}.json": b"{}"})
    assert await everything(S3Driver(bucket), NAME) == LARGE
    held.forget()
    held.release()
    assert set(names_in(bucket)) == {NAME, f"{NAME}.json"}


def test_a_key_has_one_holder_among_machines(bucket: Bucket) -> None:
    """Another machine doesn't get it, and is heard where it is meant; then it gets it at once."""
    one, other = S3Storage(bucket), S3Storage(bucket)
    held = one.resume(KEY)
    with pytest.raises(InUse):
        other.resume(KEY, request_release=False)
    assert not held.release_requested()
    with pytest.raises(InUse):
        other.resume(KEY)
    assert held.release_requested()
    held.write(b"kept when it is let go")
    held.release()
    held = other.resume(KEY)
    assert not held.release_requested()
    assert b"".join(held.pieces()) == b"kept when it is let go"
    held.release()


def test_who_was_asleep_overwrites_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that was stopped for too long loses its key, and what it still writes then is refused."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(leases, "RENEWAL_SECONDS", 1000.0)  # it sleeps
    one, other = S3Storage(bucket), S3Storage(bucket)
    asleep = one.resume(KEY)
    asleep.write(b"old")
    asleep.make_durable()
    with pytest.raises(InUse):
        other.resume(KEY)
    signal.sigtimedwait([], 0.3)
    held = other.resume(KEY)
    held.write(b" and new")
    held.make_durable()
    asleep.write(b" and forgotten")
    with pytest.raises(InUse):
        asleep.make_durable()
    with pytest.raises(InUse):
        asleep.release()
    assert b"".join(held.pieces()) == b"old and new"
    held.release()


def hold(bucket: Bucket, ready: "multiprocessing.synchronize.Event") -> None:
    """Holds the key in a process of its own until that is killed."""
    held = S3Storage(bucket).resume(KEY)
    held.write(b"written before")
    held.make_durable()
    held.write(b" and not stored")
    ready.set()
    signal.pause()


def test_a_hold_ends_after_its_process(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that dies loses its keys once it has surely stopped renewing them; what it had stored stays."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 3.0)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(bucket, ready), daemon=True)
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join()
    storage = S3Storage(bucket)
    refused = 0
    while True:
        try:
            held = storage.resume(KEY)
        except InUse:
            refused += 1
            signal.sigtimedwait([], 0.1)
        else:
            break
    assert refused
    assert b"".join(held.pieces()) == b"written before"
    held.release()


def test_a_link_needs_nothing_else(storage: S3Storage) -> None:
    """A signed link gives the bytes to anybody, under the type and the name that were asked for."""
    put(storage, NAME, b"bytes")
    disposition = "attachment; filename=\"a b_.wav\"; filename*=UTF-8''a%20b%C3%A4.wav"
    link = storage.link(NAME, content_type="audio/wav", content_disposition=disposition)
    answer = httpx.get(link)
    assert (answer.status_code, answer.content) == (200, b"bytes")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"] == disposition
    assert httpx.get(link.replace("abc", "abd")).status_code == 403
    assert httpx.get(link.replace("X-Amz-Expires=900", "X-Amz-Expires=999")).status_code == 403


async def test_a_wrong_secret_is_told_as_such(object_store: ObjectStore) -> None:
    """A key that is refused is told so, without itself or an address."""
    storage = S3Storage(object_store.bucket(secret="another"))
    for work in (storage.check(), storage.size(NAME), everything_of(storage), storage.upkeep().locate([NAME])):
        with pytest.raises(StorageUnavailable, match="refuses AWS_ACCESS_KEY_ID") as told:
            await work
        assert "another" not in str(told.value)
        assert "127.0.0.1" not in str(told.value)
    with pytest.raises(StorageUnavailable, match="refuses AWS_ACCESS_KEY_ID"):
        list(unfinished(object_store.bucket(secret="another")))


async def everything_of(storage: S3Storage) -> bytes:
    """What can be read."""
    return b"".join([piece async for piece in storage.read(NAME)])


async def test_no_bucket_is_told_as_such(object_store: ObjectStore) -> None:
    """A bucket that isn't there isn't made, and is told."""
    there = object_store.bucket("")
    bucket = Bucket(bucket="elsewhere", prefix="", endpoint=there.endpoint, signer=there.signer)
    with pytest.raises(StorageUnavailable, match="bucket"):
        await S3Storage(bucket).check()


async def test_what_killed_processes_leave_expires(bucket: Bucket) -> None:
    """Chunks and multipart uploads without anybody are removed by their age; uploads under a key stay."""
    storage = S3Storage(bucket)
    staged = storage.stage()
    for piece in pieces_of(LARGE):
        staged.write(piece)
    while len(names_in(bucket)) < 2:  # they go beside what comes next
        await asyncio.sleep(0.01)
    held = storage.resume(KEY)
    held.write(b"mine")
    held.release()
    bucket.request("POST", NAME, query={"uploads": ""})
    assert len(list(unfinished(bucket))) == 1
    young, old = S3Upkeep(bucket), S3Upkeep(bucket, clock=lambda _: datetime(2100, 1, 1, tzinfo=UTC))
    assert await young.expire_staged(older_than_seconds=3600, dry_run=False) == 0
    assert await old.expire_staged(older_than_seconds=3600, dry_run=True) == 2
    assert await old.expire_staged(older_than_seconds=3600, dry_run=False) == 2
    assert set(names_in(bucket)) == {f".staging/uploads/{KEY}/00000000"}
    assert list(unfinished(bucket)) == []


async def test_many_names_are_looked_up_at_once(bucket: Bucket) -> None:
    """Whether few are asked for or many, just those that are there are found."""
    there = [f"2026/11/{day:02}/{number}.wav" for day in range(1, 5) for number in range(60)]
    for name in there:
        bucket.put(name, b"x")
    bucket.put(f"{there[0]}.json", b"x")
    asked = [*there, "2026/11/02/none.wav", "2025/01/01/none.wav", "/absolute", "../out", there[0] + "x"]
    for some in (asked, asked[-30:], asked[100:]):
        located = await S3Upkeep(bucket).locate(some)
        assert located == [name if name in there else None for name in some]


def test_the_signature_is_the_published_one() -> None:
    """The link of the example in AWS's manual comes out as it stands there."""
    signer = Signer(
        key_id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region="us-east-1"
    )
    query = signer.link_query(
        host="examplebucket.s3.amazonaws.com",
        path="/test.txt",
        query={},
        expires_seconds=86400,
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert query.endswith("=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
