"""Calls an engine over HTTP, and maps each failure to one of the contract's errors.

An error has only the engine's name and a fixed reason, at most with the service's one-word code: the response may quote
a key, an address or the transcript.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from audio.transcription.contract import EngineBusy, EngineRefused, EngineUnreachable

ANSWER_BYTES = 64 * 1024 * 1024  # twelve hours of speech with times for each word have less
REFUSAL_BYTES = 64 * 1024
LONGEST_WAIT_SECONDS = 3600.0
_CODE = re.compile(r'"(?:code|err_code)"\s*:\s*"([A-Za-z_]{3,48})"')

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class HttpTimeouts:
    """How long a service may take, in seconds: to connect, to receive or send the next bytes, and in total."""

    connect_seconds: float = 10
    write_seconds: float = 60
    read_seconds: float = 900  # some services send nothing until they have transcribed all
    total_seconds: float = 3600


class ServiceRefusal(EngineRefused):
    """The service answered with a 4xx status; `answer` is the response's text, which must not be shown."""

    def __init__(self, engine: str, reason: str, *, status: int, answer: str) -> None:
        super().__init__(engine, reason)
        self.status = status
        self.answer = answer


class Service:
    """An HTTP client for the service of one engine."""

    def __init__(
        self, engine: str, root: str, *, headers: dict[str, str], key_setting: str, timeouts: HttpTimeouts | None = None
    ) -> None:
        """`root` is the base URL; `key_setting` is the setting that an error about the key names."""
        self.engine = engine
        self._key_setting = key_setting
        self._timeouts = timeouts or HttpTimeouts()
        self._client = httpx.AsyncClient(base_url=root, headers=headers, timeout=_timeout(self._timeouts))

    async def post(self, path: str, *, answer: type[A], **request: Any) -> A:
        """Sends a request, with httpx's arguments `request`, and returns the parsed answer.

        Raises EngineRefused (a Refusal), EngineBusy, EngineUnreachable.
        """
        try:
            async with (
                asyncio.timeout(self._timeouts.total_seconds),
                self._client.stream("POST", path, **request) as response,
            ):
                await self._check(response)
                body = await _body(response, limit_bytes=ANSWER_BYTES)
        except (TimeoutError, httpx.TimeoutException):
            raise EngineUnreachable(self.engine, "no answer came in time") from None
        except httpx.ConnectError:
            raise EngineUnreachable(self.engine, "nothing answers at its address") from None
        except httpx.RequestError:
            raise EngineUnreachable(self.engine, "the connection was cut") from None
        try:
            return await asyncio.to_thread(answer.model_validate_json, body)
        except ValidationError:
            raise EngineUnreachable(self.engine, "its answer can't be understood") from None

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS} or status >= (
            HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            wait = retry_after_seconds(response.headers.get("retry-after"))
            raise EngineBusy(self.engine, retry_after_seconds=wait)
        text = (await _body(response, limit_bytes=REFUSAL_BYTES)).decode(errors="replace")
        raise ServiceRefusal(self.engine, self._reason(status, text), status=status, answer=text)

    def _reason(self, status: int, text: str) -> str:
        code = _CODE.search(text)
        detail = f"status {status}, {code[1]}" if code else f"status {status}"
        match status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return f"it doesn't accept the key in {self._key_setting} ({detail})"
            case HTTPStatus.PAYMENT_REQUIRED:
                return f"it wants to be paid first ({detail})"
            case HTTPStatus.NOT_FOUND:
                return f"its address or its model isn't known there ({detail})"
            case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return f"the recording is larger than it takes ({detail})"
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNSUPPORTED_MEDIA_TYPE | HTTPStatus.UNPROCESSABLE_ENTITY:
                return f"it can't use the recording, or not with these settings ({detail})"
        return f"its answer is unexpected ({detail})"


def with_version(address: str) -> str:
    """The base URL of an OpenAI-compatible API: an address without a path gets `/v1`."""
    return address if httpx.URL(address).path.strip("/") else f"{address}/v1"


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3), an hour at most; None when it is malformed."""
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return min(float(text), LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


async def _body(response: httpx.Response, *, limit_bytes: int) -> bytes:
    """The response's body, truncated at the limit, which makes it fail to parse."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit_bytes:
            break
    return bytes(body[:limit_bytes])


def _timeout(timeouts: HttpTimeouts) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeouts.connect_seconds,
        write=timeouts.write_seconds,
        read=timeouts.read_seconds,
        pool=timeouts.connect_seconds,
    )
