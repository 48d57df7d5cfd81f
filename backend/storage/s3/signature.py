"""AWS Signature Version 4, for the few requests that obstore can't send.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_PLAIN = "-_.~"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs requests with one access key in one region."""

    key_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str

    def headers(
        self,
        method: str,
        *,
        host: str,
        path: str,
        query: Mapping[str, str],
        content: bytes = b"",
        more: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """The headers of a request, `more` among them; `path` is not yet quoted."""
        stamp = _stamp(now)
        digest = hashlib.sha256(content).hexdigest()
        headers = {"host": host, "x-amz-date": stamp, "x-amz-content-sha256": digest, **(more or {})}
        if self.session_token is not None:
            headers["x-amz-security-token"] = self.session_token
        signature = self._signature(method, path, query, headers, payload=digest, stamp=stamp)
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={self.key_id}/{self._scope(stamp)},"
            f" SignedHeaders={';'.join(sorted(headers))}, Signature={signature}"
        )
        return headers

    def link_query(
        self,
        *,
        host: str,
        path: str,
        query: Mapping[str, str],
        expires_seconds: int,
        now: datetime | None = None,
    ) -> str:
        """The query of a link that lets anybody GET `path` until it expires."""
        stamp = _stamp(now)
        signed = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.key_id}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires_seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.session_token is not None:
            signed["X-Amz-Security-Token"] = self.session_token
        signature = self._signature("GET", path, signed, {"host": host}, payload=_UNSIGNED, stamp=stamp)
        return f"{query_string(signed)}&X-Amz-Signature={signature}"

    def _signature(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], *, payload: str, stamp: str
    ) -> str:
        names = sorted(headers)
        lines = [f"{name}:{headers[name].strip()}" for name in names]
        canonical = "\n".join([method, quoted(path), query_string(query), *lines, "", ";".join(names), payload])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        string_to_sign = f"{_ALGORITHM}\n{stamp}\n{self._scope(stamp)}\n{digest}"
        key = f"AWS4{self.secret}".encode()
        for part in self._scope(stamp).split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/s3/aws4_request"


def quoted(path: str) -> str:
    """The path, percent-encoded for a request."""
    return quote(path, safe=f"/{_PLAIN}")


def query_string(query: Mapping[str, str]) -> str:
    """The canonical query string: percent-encoded, in the order of its names."""
    return "&".join(f"{quote(name, safe=_PLAIN)}={quote(query[name], safe=_PLAIN)}" for name in sorted(query))


def _stamp(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
