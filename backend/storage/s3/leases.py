"""Who has a key, among all processes that use a bucket: a small object that its holder renews, and others look at.

No clock is trusted but one's own: a hold is over when somebody has seen the same one for HELD_SECONDS. Whoever was
only slow then still can't harm anybody, for nothing is ever written over what another holder has written (Chunks).
"""

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from storage.contract import BytesMissing, InUse, NameTaken, StorageError
from storage.object_names import OWN
from storage.s3.bucket import Bucket

HOLDS = f"{OWN}/holds"
HELD_SECONDS = 10.0
RENEWED_SECONDS = 2.0
WANTED = ".wanted"


@dataclass(eq=False)
class Lease:
    """A key that this process has. `lost` says that somebody else has taken it, `wanted` that it is asked for here."""

    name: str
    tag: str
    renewed: float = field(default_factory=time.monotonic)
    lost: bool = False
    wanted: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken it yet."""
        return not self.lost and time.monotonic() - self.renewed < HELD_SECONDS - RENEWED_SECONDS


class Holds:
    """The keys that this process has, and what it has seen of others. Every method may run in any thread."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._ours: dict[str, Lease | None] = {}  # None: it is being asked for
        self._seen: dict[str, tuple[str, float]] = {}
        self._changed = threading.Condition()
        self._renewer: threading.Thread | None = None

    def take(self, key: str, *, insistent: bool) -> Lease:
        """Takes the key. Raises InUse where somebody else has it, who is told so if that is `insistent`."""
        name = f"{HOLDS}/{key}"
        self._ask_here(name, insistent=insistent)
        try:
            hold = Lease(name, self._taken(name, insistent=insistent))
            self._bucket.delete(name + WANTED)
        except BaseException:
            with self._changed:
                self._ours.pop(name, None)
            raise
        self._keep(hold)
        return hold

    def _ask_here(self, name: str, *, insistent: bool) -> None:
        """Raises InUse where this process has it already: of many requests, one asks the object store."""
        with self._changed:
            if name in self._ours:
                hold = self._ours[name]
                if hold is not None and insistent:
                    hold.wanted = True
                raise InUse
            self._ours[name] = None

    def is_wanted(self, hold: Lease) -> bool:
        """Whether somebody has asked for it."""
        if hold.wanted:
            return True
        try:
            self._bucket.head(hold.name + WANTED)
        except BytesMissing:
            return False
        return True

    def release(self, hold: Lease) -> None:
        """Lets others have it."""
        self._seen[hold.name] = (hold.tag, time.monotonic() - HELD_SECONDS)  # over, even if it can't be removed
        try:
            if hold.is_sure:
                self._bucket.delete(hold.name)
        finally:
            self._let_go(hold)

    def _taken(self, name: str, *, insistent: bool) -> str:
        """The tag of a hold that is ours from now on. Raises InUse.

        Most who ask come in vain: they only look, for writers of one object wait for each other.
        """
        try:
            tag = str(self._bucket.head(name)["e_tag"])
        except BytesMissing:
            self._seen.pop(name, None)
            try:
                return self._bucket.create(name, _token())
            except NameTaken as error:
                raise InUse from error
        if self._is_over(name, tag):
            del self._seen[name]
            return self._bucket.renew(name, _token(), tag=tag)
        if insistent:
            self._bucket.put(name + WANTED, b"")
        raise InUse

    def _is_over(self, name: str, tag: str) -> bool:
        """Whether nobody has renewed that hold for as long as it lasts."""
        seen, since = self._seen.setdefault(name, (tag, time.monotonic()))
        if seen != tag:
            self._seen[name] = (tag, time.monotonic())
            return False
        return time.monotonic() - since >= HELD_SECONDS

    def _keep(self, hold: Lease) -> None:
        with self._changed:
            self._ours[hold.name] = hold
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew_all, name="holds", daemon=True)
                self._renewer.start()

    def _let_go(self, hold: Lease) -> None:
        with self._changed:
            if self._ours.get(hold.name) is hold:
                del self._ours[hold.name]
            self._changed.notify_all()

    def _renew_all(self) -> None:
        """Runs for as long as there is something to renew."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._ours, timeout=RENEWED_SECONDS)
                if not self._ours:
                    self._renewer = None
                    return
                ours = [hold for hold in self._ours.values() if hold is not None]
            for hold in ours:
                with suppress(StorageError):
                    self._renew(hold)

    def _renew(self, hold: Lease) -> None:
        begun = time.monotonic()
        try:
            hold.tag = self._bucket.renew(hold.name, _token(), tag=hold.tag)
        except InUse:
            hold.lost = self._ours.get(hold.name) is hold  # else it was released meanwhile
        else:
            hold.renewed = begun


def _token() -> bytes:
    """Other bytes each time, for another tag."""
    return secrets.token_bytes(16)
