"""Bytes on their way into an object store: a row of objects, each but the last with CHUNK_BYTES, then made one.

Each is there for good as soon as it is stored, can be listed, read and removed like any other, and is given up to the
object store's own copying when the bytes get their name. At most `in_flight` are under way at once, and one is filled.
"""

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial

import obstore

from storage.contract import PIECE_BYTES, InUse, NameTaken, Piece, StorageUnavailable
from storage.s3.bucket import Bucket
from storage.s3.multipart import assemble

CHUNK_BYTES = 8 * 1024 * 1024
SENDERS = 16
_NUMBER = re.compile(r"[0-9]{8}")


@cache
def _senders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SENDERS, thread_name_prefix="chunks")


class Chunks:
    """The bytes below `folder`. Its methods block, and none runs at the same time as another.

    What another process writes there meanwhile is never overwritten: `InUse` is raised instead.
    """

    def __init__(self, bucket: Bucket, folder: str, *, in_flight: int) -> None:
        self._bucket = bucket
        self._folder = folder
        self._in_flight = in_flight
        self._tags: list[str | None] = []  # of the full ones; None: still under way
        self._last = bytearray()
        self._last_tag: str | None = None  # of the object that holds it, or a beginning of it
        self._unstored = False
        self._unread_bytes = 0  # of the last one, as long as nobody needs them here
        self._under_way: deque[tuple[int, Future[str]]] = deque()

    def find(self) -> None:
        """Takes up what lies there already; what lies behind a gap was never told to anybody, and is removed."""
        found = {int(name): one for name, one in self._listed() if _NUMBER.fullmatch(name)}
        number = 0
        while number in found and found[number]["size"] == CHUNK_BYTES:
            self._tags.append(found.pop(number)["e_tag"])
            number += 1
        if number in found:
            last = found.pop(number)
            self._unread_bytes, self._last_tag = last["size"], last["e_tag"]
        self._bucket.delete(*map(self._name, found))

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
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
        self._settle(0)
        if self._unstored:
            self._last_tag = self._store(len(self._tags), bytes(self._last), self._last_tag)
            self._unstored = False

    def truncate(self, size_bytes: int) -> None:
        """Takes back what lies behind the first `size_bytes`, durably."""
        self.make_durable()
        self._read_last()
        number, rest = divmod(size_bytes, CHUNK_BYTES)
        if number < len(self._tags):
            kept = self._bucket.get(self._name(number))
            behind = range(number + 1, len(self._tags) + 1)
            self._bucket.delete(*map(self._name, reversed(behind)))
            self._last, self._last_tag = bytearray(kept), self._tags[number]
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
        self._settle(0)
        self._read_last()
        first, within = divmod(start, CHUNK_BYTES)
        for number in range(first, len(self._tags)):
            yield from self._bucket.pieces(self._name(number), start=within)
            within = 0
        for at in range(within, len(self._last), PIECE_BYTES):
            yield bytes(self._last[at : at + PIECE_BYTES])

    def become(self, name: str, *, only_new: bool) -> None:
        """Makes them one object of that name. Raises NameTaken where it has to be new, or StorageError."""
        size = self.size_bytes
        if size <= CHUNK_BYTES:
            self._settle(0)
            self._read_last()
            content = bytes(self._last) if not self._tags else self._bucket.get(self._name(0))
            put = self._bucket.create if only_new else self._bucket.put
            put(name, content)
            return
        self.make_durable()
        names = [self._name(number) for number in range(len(self._tags) + bool(self._last or self._unread_bytes))]
        assemble(self._bucket, name, names, only_new=only_new)
        if self._bucket.head(name)["size"] != size:
            self._bucket.delete(name)
            raise StorageUnavailable("the object store has made something else of what was sent")

    def remove(self) -> None:
        """Removes them all, whatever became of those under way."""
        while self._under_way:
            _, sent = self._under_way.popleft()
            sent.exception()
        self._bucket.delete(*(f"{self._folder}/{name}" for name, _ in self._listed()))
        self._tags.clear()
        self._last.clear()
        self._last_tag, self._unstored, self._unread_bytes = None, False, 0

    def _listed(self) -> "Iterator[tuple[str, obstore.ObjectMeta]]":
        for batch in self._bucket.list(self._folder):
            for one in batch:
                yield one["path"].rpartition("/")[2], one

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:08}"

    def _read_last(self) -> None:
        if self._unread_bytes:
            self._last += self._bucket.get(self._name(len(self._tags)))
            self._unread_bytes = 0

    def _send(self) -> None:
        """Stores the full one, beside what comes next."""
        self._settle(self._in_flight - 1)
        number = len(self._tags)
        sent = _senders().submit(partial(self._store, number, self._last, self._last_tag))
        self._under_way.append((number, sent))
        self._tags.append(None)
        self._last, self._last_tag, self._unstored = bytearray(), None, False

    def _settle(self, left: int) -> None:
        """Waits until no more than `left` are under way."""
        while len(self._under_way) > left:
            number, sent = self._under_way.popleft()
            try:
                self._tags[number] = sent.result()
            except BaseException:
                self._fall_back(number)
                raise

    def _fall_back(self, number: int) -> None:
        """What could not be stored, and all behind it, isn't there."""
        while self._under_way:
            self._under_way.popleft()[1].exception()
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
