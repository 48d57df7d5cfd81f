"""A disk with a volatile write cache, whose power can be cut: what wasn't flushed is kept, lost or older, by chance.

It is one file of a FUSE file system of its own, made into a block device by the kernel's loop driver, which turns each
flush of the file system above it (a journal's barrier, fsync) into FUSE_FSYNC. A cut writes an image of what could be
on the platters at that moment: everything that was flushed, and of each block written since any one of its states.

`python disk.py FILE BYTES` serves FILE (it has to be there, empty) until it is unmounted. A line "SEED PATH" on its
standard input cuts the power as soon as the cache holds a block: it writes the image and answers by a line of JSON.
The protocol is that of <linux/fuse.h>, version 7.31.
"""

import ctypes
import errno
import json
import os
import random
import selectors
import stat
import struct
import sys
from enum import IntEnum
from pathlib import Path

BLOCK_BYTES = 4096
MAX_WRITE_BYTES = 1 << 20
UNANSWERED = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET


class Operation(IntEnum):
    """What the kernel may ask of a file."""

    GETATTR = 3
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26


BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
HEAD = struct.Struct("<IIQQIIIHH")
PIECE = struct.Struct("<QQIIQII")  # of READ and WRITE: handle, offset, size, …


class Disk:
    """Blocks that were flushed, in a sparse file, and all states since of those that weren't."""

    def __init__(self, size_bytes: int, *, flushed: Path) -> None:
        self.size_bytes = size_bytes
        self._flushed = os.open(flushed, os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(self._flushed, size_bytes)
        self._unflushed: dict[int, list[bytes]] = {}

    @property
    def unflushed_blocks(self) -> int:
        """How many blocks are in the cache."""
        return len(self._unflushed)

    def read(self, offset: int, size: int) -> bytes:
        """The bytes that were written last."""
        first, last = offset // BLOCK_BYTES, (offset + size - 1) // BLOCK_BYTES
        blocks = b"".join(self._block(number) for number in range(first, last + 1))
        return blocks[offset - first * BLOCK_BYTES :][:size]

    def write(self, offset: int, content: bytes) -> None:
        """Holds bytes in the cache."""
        first, end = offset // BLOCK_BYTES, offset + len(content)
        before = self.read(first * BLOCK_BYTES, offset - first * BLOCK_BYTES) if offset % BLOCK_BYTES else b""
        after = self.read(end, -end % BLOCK_BYTES) if end % BLOCK_BYTES else b""
        blocks = before + content + after
        for at in range(0, len(blocks), BLOCK_BYTES):
            states = self._unflushed.setdefault(first + at // BLOCK_BYTES, [])
            states.append(blocks[at : at + BLOCK_BYTES])

    def flush(self) -> None:
        """Brings the cache to the platters."""
        for number, states in self._unflushed.items():
            os.pwrite(self._flushed, states[-1], number * BLOCK_BYTES)
        self._unflushed.clear()

    def cut(self, image: Path, *, seed: int) -> dict[str, int]:
        """Writes what is on the platters if the power fails now; returns how many blocks were in the cache and lost."""
        chance, lost = random.Random(seed), 0
        share = chance.choice([0.0, 0.5, 1.0])  # of the blocks that the disk had written by itself
        with image.open("xb") as copy:
            _copy_sparse(self._flushed, copy.fileno(), self.size_bytes)
            for number, states in self._unflushed.items():
                if chance.random() < share:
                    os.pwrite(copy.fileno(), chance.choice(states), number * BLOCK_BYTES)
                else:
                    lost += 1
        return {"unflushed": len(self._unflushed), "lost": lost}

    def _block(self, number: int) -> bytes:
        states = self._unflushed.get(number)
        return states[-1] if states else os.pread(self._flushed, BLOCK_BYTES, number * BLOCK_BYTES)


def _copy_sparse(source: int, target: int, size_bytes: int) -> None:
    os.truncate(target, size_bytes)
    begin = 0
    while True:
        try:
            begin = os.lseek(source, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data any more
                return
            raise
        end = os.lseek(source, begin, os.SEEK_HOLE)
        while begin < end:
            begin += os.pwrite(target, os.pread(source, min(end - begin, MAX_WRITE_BYTES), begin), begin)


class Fuse:
    """Answers the kernel's requests for the one file that it was mounted as."""

    def __init__(self, disk: Disk, mount_point: Path) -> None:
        self._disk = disk
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode={stat.S_IFREG:o},user_id=0,group_id=0"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"power-cut", os.fsencode(mount_point), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "The disk can't be mounted.", str(mount_point))

    def answer(self) -> bool:
        """Answers the next request; False once it is unmounted."""
        try:
            request = os.read(self.device, MAX_WRITE_BYTES + 2 * BLOCK_BYTES)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise
        _, operation, unique, *_ = HEAD.unpack_from(request)
        if operation in UNANSWERED:
            return True
        reply = self._reply(operation, request[HEAD.size :])
        code, body = (0, reply) if reply is not None else (-errno.ENOSYS, b"")
        os.write(self.device, struct.pack("<IiQ", 16 + len(body), code, unique) + body)
        return True

    def _reply(self, operation: int, body: bytes) -> bytes | None:
        match operation:
            case Operation.INIT:
                flags = BIG_WRITES | MAX_PAGES
                sizes = (16, 12, MAX_WRITE_BYTES, 1, MAX_WRITE_BYTES // BLOCK_BYTES)
                return struct.pack("<IIIIHHIIH", 7, 31, MAX_WRITE_BYTES, flags, *sizes).ljust(64, b"\0")
            case Operation.GETATTR:
                size, mode = self._disk.size_bytes, stat.S_IFREG | 0o600
                attributes = struct.pack(
                    "<6Q10I", 1, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, BLOCK_BYTES, 0
                )
                return struct.pack("<QII", 3600, 0, 0) + attributes
            case Operation.OPEN:
                return bytes(16)
            case Operation.READ:
                _, offset, size, *_ = PIECE.unpack_from(body)
                return self._disk.read(offset, max(0, min(size, self._disk.size_bytes - offset)))
            case Operation.WRITE:
                _, offset, size, *_ = PIECE.unpack_from(body)
                self._disk.write(offset, body[PIECE.size : PIECE.size + size])
                return struct.pack("<II", size, 0)
            case Operation.STATFS:
                return struct.pack("<5Q4I24x", 0, 0, 0, 0, 0, BLOCK_BYTES, 255, BLOCK_BYTES, 0)
            case Operation.FSYNC:
                self._disk.flush()
                return b""
            case Operation.RELEASE | Operation.FLUSH:
                return b""
        return None


def main(mount_point: Path, size_bytes: int) -> None:
    """Serves until it is unmounted."""
    command = ""
    disk = Disk(size_bytes, flushed=mount_point.with_suffix(".flushed"))
    fuse = Fuse(disk, mount_point)
    print(json.dumps({"size_bytes": size_bytes}), flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(fuse.device, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == sys.stdin:
                    command = sys.stdin.readline()
                elif not fuse.answer():
                    return
            if command and disk.unflushed_blocks:
                seed, image = command.rstrip("\n").split(" ", 1)
                command = ""
                print(json.dumps(disk.cut(Path(image), seed=int(seed))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
