"""Where a webhook goes, and how it is signed: by Standard Webhooks, https://www.standardwebhooks.com."""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where to send; the address may hold secrets, so only `shown` is ever logged."""

    url: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """By what deliveries know it."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def shown(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}"


def signature(secret: bytes, *, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature (Standard Webhooks, version 1: HMAC-SHA256 over id, time and body)."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def headers_of(body: bytes, *, to: Endpoint, delivery_id: str, secret: bytes) -> dict[str, str]:
    """The headers of a webhook that is sent now."""
    timestamp = int(time.time())
    return {
        "Host": urlsplit(to.url).netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "Pegasus",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, delivery_id=delivery_id, timestamp=timestamp, body=body),
    }
