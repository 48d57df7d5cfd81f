"""The header fields Content-Digest and Repr-Digest (RFC 9530), of requests and responses."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping

from core.errors import PegasusError
from storage.contract import Piece
from storage.hashing import Digest

FIELDS = ("content-digest", "repr-digest")
ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}  # "active" in RFC 9530, 7.2
_MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):\s*")


class DigestMalformed(PegasusError):
    message = "A digest is written sha-256=:…:, with its bytes in base64 between the colons."


class DigestMismatch(PegasusError):
    def __init__(self, algorithm: str) -> None:
        super().__init__(f"The bytes that arrived don't have the {algorithm} digest that was sent with them.")
        self.algorithm = algorithm


class DigestCheck:
    """Compares bytes with the digests sent with them; without any it costs nothing.

    Well-formed digests of unknown algorithms are ignored (RFC 9530, 2).
    """

    def __init__(self, digests: Iterable[tuple[str, bytes]]) -> None:
        self._hashes = [(name, value, Digest(ALGORITHMS[name])) for name, value in digests if name in ALGORITHMS]

    def update(self, piece: Piece) -> None:
        for _, _, running in self._hashes:
            running.update(piece)

    def end(self) -> None:
        """Compares after the last byte. Raises DigestMismatch."""
        for name, value, running in self._hashes:
            if not hmac.compare_digest(running.digest(), value):
                raise DigestMismatch(name)


def parse_digests(headers: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """The digests of both fields, as pairs of algorithm and value. Raises DigestMalformed.

    Of several with one algorithm the last counts (RFC 8941, 3.2); else a request could demand any number of hashes.
    """
    fields = [dict(_read(member) for member in headers.get(field, "").split(",") if member.strip()) for field in FIELDS]
    return [digest for field in fields for digest in field.items()]


def _read(member: str) -> tuple[str, bytes]:
    match = _MEMBER.fullmatch(member)
    if match is None:
        raise DigestMalformed
    try:
        return match[1], base64.b64decode(match[2], validate=True)
    except binascii.Error as error:
        raise DigestMalformed from error


def repr_digest(sha256: str) -> dict[str, str]:
    """The header Repr-Digest for a SHA-256 in hexadecimal."""
    return {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"}
