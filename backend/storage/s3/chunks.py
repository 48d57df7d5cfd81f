"""Unfinished bytes as a sequence of objects, each but the last of CHUNK_BYTES, which `complete` then joins to one.

Each chunk is durable as soon as it is stored, and is an ordinary object that can be listed, read and removed; the
object store copies them when the bytes get their name. At most `in_flight` are being stored while another is filled.
"""

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial

import obstore

from storage.contract import PIECE_BYTES, InUse, NameTaken, Piece, StorageUnavailable
from storage.s3.bucket import Bucket
from storage.s3.multipart_upload import assemble
from storage.threads import thread_pool

CHUNK_BYTES = 8 * 1024 * 1024
SENDERS = 16
_NUMBER = re.compile(r"[0-9]{8}")


class Chunks:
    """The chunks below `folder`. Its methods block, and no two may run at the same time.

    A chunk that another process has written meanwhile is never overwritten: `InUse` is raised instead.
    """

    def __init__(self, bucket: Bucket, folder: str, *, in_flight: int) -> None:
        self._bucket = bucket
        self._folder = folder
        self._in_flight = in_flight
        self._tags: list[str | None] = []  # of the full chunks; None: still being stored
        self._last = bytearray()
        self._last_tag: str | None = None  # of the object that holds `_last`, or a beginning of it
        self._unstored = False
        self._unread_bytes = 0  # of the last chunk, while it hasn't been read
        self._pending: deque[tuple[int, Future[str]]] = deque()

    def load(self) -> None:
        """Reads which chunks exist; those behind a gap were never acknowledged to a client, and are removed."""
        stored = {int(name): meta for name, meta in self._listed() if _NUMBER.fullmatch(name)}
        number = 0
        while number in stored and stored[number]["size"] == CHUNK_BYTES:
            self._tags.append(stored.pop(number)["e_tag"])
            number += 1
        if number in stored:
            last = stored.pop(number)
            self._unread_bytes, self._last_tag = last["size"], last["e_tag"]
        self._bucket.delete(*map(self._name, stored))

    @property
    def size_bytes(self) -> int:
        return len(self._tags) * CHUNK_BYTES + self._unread_bytes + len(self._last)

    def write(self, piece: Piece) -> None:
        """Appends the piece. Raises InUse or StorageError."""
        self._read_last()
        view = memoryview(piece)
        while view:
            room = CHUNK_BYTES - len(self._last)
            self._last += view[:room]
            self._unstored = True
            view = view[room:]
            if len(self._last) == CHUNK_BYTES:
                self._send()

    def make_durable(self) -> None:
        """When this returns, all bytes are stored."""
        self._wait_for_pending(at_most=0)
        if self._unstored:
            self._last_tag = self._store(len(self._tags), bytes(self._last), self._last_tag)
            self._unstored = False

    def truncate(self, size_bytes: int) -> None:
        """Drops everything after the first `size_bytes`, durably."""
        self.make_durable()
        self._read_last()
        number, rest = divmod(size_bytes, CHUNK_BYTES)
        if number < len(self._tags):
            content = self._bucket.get(self._name(number))
            dropped = range(number + 1, len(self._tags) + 1)
            self._bucket.delete(*map(self._name, reversed(dropped)))
            self._last, self._last_tag = bytearray(content), self._tags[number]
            del self._tags[number:]
        if len(self._last) == rest:
            return
        del self._last[rest:]
        if rest:
            self._last_tag = self._store(number, bytes(self._last), self._last_tag)
        elif self._last_tag is not None:
            self._bucket.delete(self._name(number))
            self._last_tag = None

    def pieces(self, *, start: int = 0) -> Iterator[bytes]:
        """All bytes from `start` on, in pieces of at most PIECE_BYTES."""
        self._wait_for_pending(at_most=0)
        self._read_last()
        first, offset = divmod(start, CHUNK_BYTES)
        for number in range(first, len(self._tags)):
            yield from self._bucket.pieces(self._name(number), start=offset)
            offset = 0
        for at in range(offset, len(self._last), PIECE_BYTES):
            yield bytes(self._last[at : at + PIECE_BYTES])

    def complete(self, name: str, *, only_new: bool) -> None:
        """Joins the chunks to one object of that name. With `only_new` raises NameTaken; raises StorageError."""
        size = self.size_bytes
        if size <= CHUNK_BYTES:
            self._wait_for_pending(at_most=0)
            self._read_last()
            content = bytes(self._last) if not self._tags else self._bucket.get(self._name(0))
            store = self._bucket.create if only_new else self._bucket.put
            store(name, content)
            return
        self.make_durable()
        names = [self._name(number) for number in range(len(self._tags) + bool(self._last or self._unread_bytes))]
        assemble(self._bucket, name, names, only_new=only_new)
        if self._bucket.head(name)["size"] != size:
            self._bucket.delete(name)
            raise StorageUnavailable("the object store has made something else of what was sent")

    def remove(self) -> None:
        """Removes all chunks, also those that are still being stored."""
        while self._pending:
            _, future = self._pending.popleft()
            future.exception()
        self._bucket.delete(*(f"{self._folder}/{name}" for name, _ in self._listed()))
        self._tags.clear()
        self._last.clear()
        self._last_tag, self._unstored, self._unread_bytes = None, False, 0

    def _listed(self) -> "Iterator[tuple[str, obstore.ObjectMeta]]":
        for batch in self._bucket.list(self._folder):
            for meta in batch:
                yield meta["path"].rpartition("/")[2], meta

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:08}"

    def _read_last(self) -> None:
        if self._unread_bytes:
            self._last += self._bucket.get(self._name(len(self._tags)))
            self._unread_bytes = 0

    def _send(self) -> None:
        """Stores the full chunk in the background."""
        self._wait_for_pending(at_most=self._in_flight - 1)
        number = len(self._tags)
        future = thread_pool("chunks", SENDERS).submit(partial(self._store, number, self._last, self._last_tag))
        self._pending.append((number, future))
        self._tags.append(None)
        self._last, self._last_tag, self._unstored = bytearray(), None, False

    def _wait_for_pending(self, *, at_most: int) -> None:
        """Waits until at most so many chunks are still being stored."""
        while len(self._pending) > at_most:
            number, future = self._pending.popleft()
            try:
                self._tags[number] = future.result()
            except BaseException:
                self._drop_from(number)
                raise

    def _drop_from(self, number: int) -> None:
        """Forgets the chunk that could not be stored, and all after it."""
        while self._pending:
            self._pending.popleft()[1].exception()
        del self._tags[number:]
        self._last, self._last_tag, self._unstored = bytearray(), None, False

    def _store(self, number: int, content: Piece, tag: str | None) -> str:
        name = self._name(number)
        if tag is not None:
            return self._bucket.renew(name, content, tag=tag)
        try:
            return self._bucket.create(name, content)
        except NameTaken as error:
            raise InUse from error
