"""The header fields Content-Digest and Repr-Digest (RFC 9530), of requests and responses."""

import hmac
from collections.abc import Iterable, Mapping

from http_sf import StructuredFieldError, ser

from api.protocols.structured_fields import dictionary
from core.errors import PegasusError
from storage.contract import Piece
from storage.hashing import Digest

FIELDS = ("content-digest", "repr-digest")
ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}  # "active" in RFC 9530, 7.2


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


def parse_digests(headers: Mapping[str, str], *fields: str) -> list[tuple[str, bytes]]:
    """The digests of both fields, or of those named, as pairs of algorithm and value. Raises DigestMalformed.

    Of several in a field with one algorithm the last counts; else a request could demand any number of hashes.
    """
    return [digest for field in fields or FIELDS if field in headers for digest in _read(headers, field)]


def _read(headers: Mapping[str, str], field: str) -> list[tuple[str, bytes]]:
    try:
        digests = dictionary(headers, field)
    except StructuredFieldError as error:
        raise DigestMalformed from error
    pairs = [(algorithm, value) for algorithm, value in digests.items() if isinstance(value, bytes)]
    if len(pairs) < len(digests):
        raise DigestMalformed
    return pairs


def repr_digest(sha256: str) -> dict[str, str]:
    """The header Repr-Digest for a SHA-256 in hexadecimal."""
    return {"Repr-Digest": ser({"sha-256": bytes.fromhex(sha256)})}
