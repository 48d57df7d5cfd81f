"""The endpoint and the signature of a webhook, by Standard Webhooks, https://www.standardwebhooks.com."""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A receiver of webhooks; its URL may have secrets, so only `origin` is logged."""

    url: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """The endpoint's key in the table of deliveries."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def origin(self) -> str:
        """The URL's scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}"


def signature(secret: bytes, *, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header webhook-signature (Standard Webhooks, version 1: HMAC-SHA256 over id, time and body)."""
    message = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()


def headers_of(body: bytes, *, to: Endpoint, delivery_id: str, secret: bytes) -> dict[str, str]:
    """The headers of a webhook with the current time."""
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
