"""Digests that come with bytes, and go with them: Content-Digest and Repr-Digest (RFC 9530)."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping

from core.errors import PegasusError
from storage.contract import Piece
from storage.hashing import Digest

FIELDS = ("content-digest", "repr-digest")
ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}  # those that RFC 9530, 7.2, calls active
_MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):\s*")


class DigestMalformed(PegasusError):
    """A digest was sent that isn't written as RFC 9530 says."""

    def __init__(self) -> None:
        super().__init__("A digest is written sha-256=:…:, with its bytes in base64 between the colons.")


class DigestMismatch(PegasusError):
    """The bytes that arrived are not those that the digest was made from."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"The bytes that arrived don't have the {algorithm} digest that was sent with them.")
        self.algorithm = algorithm


class DigestCheck:
    """Compares bytes with the digests that were sent with them; without any it costs nothing.

    Algorithms that we don't know are ignored (RFC 9530, 2), as long as they are well written.
    """

    def __init__(self, sent: Iterable[tuple[str, bytes]]) -> None:
        self._hashes = [(name, value, Digest(ALGORITHMS[name])) for name, value in sent if name in ALGORITHMS]

    def update(self, piece: Piece) -> None:
        """Takes in the next bytes."""
        for _, _, running in self._hashes:
            running.update(piece)

    def end(self) -> None:
        """Says that these were all. Raises DigestMismatch."""
        for name, value, running in self._hashes:
            if not hmac.compare_digest(running.digest(), value):
                raise DigestMismatch(name)


def sent_digests(headers: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """The digests in both fields of some headers, each as algorithm and value. Raises DigestMalformed.

    Of several of one algorithm the last counts (RFC 8941, 3.2): else a head full of them would be hashed as often.
    """
    fields = [dict(_read(member) for member in headers.get(field, "").split(",") if member.strip()) for field in FIELDS]
    return [digest for field in fields for digest in field.items()]


def _read(member: str) -> tuple[str, bytes]:
    found = _MEMBER.fullmatch(member)
    if found is None:
        raise DigestMalformed
    try:
        return found[1], base64.b64decode(found[2], validate=True)
    except binascii.Error as error:
        raise DigestMalformed from error


def repr_digest(sha256: str) -> dict[str, str]:
    """The header that tells the digest of a recording, from its SHA-256 in hexadecimal."""
    return {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"}
