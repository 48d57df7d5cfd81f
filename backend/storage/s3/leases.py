"""Leases on keys among all processes that use a bucket: a small object that its holder renews, and others read.

Clocks of other machines don't count: a lease is over once a process has seen the same ETag for LEASE_SECONDS. A holder
that was only slow still does no harm, as Chunks never overwrites what another holder has written.
"""

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from storage.contract import BytesMissing, InUse, NameTaken, StorageError
from storage.object_names import OWN
from storage.s3.bucket import Bucket

LEASES = f"{OWN}/holds"
LEASE_SECONDS = 10.0
RENEWAL_SECONDS = 2.0
RELEASE_REQUEST = ".wanted"


@dataclass(eq=False)
class Lease:
    """A key that this process holds.

    `lost`: another process has acquired it; `release_requested`: another request of this process wants it.
    """

    name: str
    tag: str
    renewed: float = field(default_factory=time.monotonic)
    lost: bool = False
    release_requested: bool = False

    @property
    def is_valid(self) -> bool:
        """Whether no other process can have acquired it yet."""
        return not self.lost and time.monotonic() - self.renewed < LEASE_SECONDS - RENEWAL_SECONDS


class Leases:
    """The leases of this process, and the last state it saw of others. Every method may run in any thread."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._own: dict[str, Lease | None] = {}  # None: it is being acquired
        self._observed: dict[str, tuple[str, float]] = {}
        self._changed = threading.Condition()
        self._renewer: threading.Thread | None = None

    def acquire(self, key: str, *, request_release: bool) -> Lease:
        """Raises InUse where somebody else holds the key, whom `request_release` asks to release it."""
        name = f"{LEASES}/{key}"
        self._reserve(name, request_release=request_release)
        try:
            lease = Lease(name, self._acquire_object(name, request_release=request_release))
            self._bucket.delete(name + RELEASE_REQUEST)
        except BaseException:
            with self._changed:
                self._own.pop(name, None)
            raise
        self._start_renewing(lease)
        return lease

    def _reserve(self, name: str, *, request_release: bool) -> None:
        """Raises InUse where this process has the key: of many requests, only one asks the object store."""
        with self._changed:
            if name in self._own:
                lease = self._own[name]
                if lease is not None and request_release:
                    lease.release_requested = True
                raise InUse
            self._own[name] = None

    def release_requested(self, lease: Lease) -> bool:
        """Whether somebody else wants the key."""
        if lease.release_requested:
            return True
        try:
            self._bucket.head(lease.name + RELEASE_REQUEST)
        except BytesMissing:
            return False
        return True

    def release(self, lease: Lease) -> None:
        # Over from now on, even if its object can't be removed.
        self._observed[lease.name] = (lease.tag, time.monotonic() - LEASE_SECONDS)
        try:
            if lease.is_valid:
                self._bucket.delete(lease.name)
        finally:
            self._stop_renewing(lease)

    def _acquire_object(self, name: str, *, request_release: bool) -> str:
        """The ETag of the lease's object, written by this process. Raises InUse.

        Most attempts fail, so they only read first: concurrent writers of one object wait for each other.
        """
        try:
            tag = str(self._bucket.head(name)["e_tag"])
        except BytesMissing:
            self._observed.pop(name, None)
            try:
                return self._bucket.create(name, _token())
            except NameTaken as error:
                raise InUse from error
        if self._is_over(name, tag):
            del self._observed[name]
            return self._bucket.renew(name, _token(), tag=tag)
        if request_release:
            self._bucket.put(name + RELEASE_REQUEST, b"")
        raise InUse

    def _is_over(self, name: str, tag: str) -> bool:
        """Whether this process has seen no renewal of the lease for LEASE_SECONDS."""
        last_tag, since = self._observed.setdefault(name, (tag, time.monotonic()))
        if last_tag != tag:
            self._observed[name] = (tag, time.monotonic())
            return False
        return time.monotonic() - since >= LEASE_SECONDS

    def _start_renewing(self, lease: Lease) -> None:
        with self._changed:
            self._own[lease.name] = lease
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew_all, name="holds", daemon=True)
                self._renewer.start()

    def _stop_renewing(self, lease: Lease) -> None:
        with self._changed:
            if self._own.get(lease.name) is lease:
                del self._own[lease.name]
            self._changed.notify_all()

    def _renew_all(self) -> None:
        """Runs in a thread until this process has no lease any more."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._own, timeout=RENEWAL_SECONDS)
                if not self._own:
                    self._renewer = None
                    return
                leases = [lease for lease in self._own.values() if lease is not None]
            for lease in leases:
                with suppress(StorageError):
                    self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        started = time.monotonic()
        try:
            lease.tag = self._bucket.renew(lease.name, _token(), tag=lease.tag)
        except InUse:
            lease.lost = self._own.get(lease.name) is lease  # else it was released meanwhile
        else:
            lease.renewed = started


def _token() -> bytes:
    """Random bytes, so that each renewal has another ETag."""
    return secrets.token_bytes(16)
