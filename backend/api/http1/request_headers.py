"""The header fields of a request, decoded once for all that look at them."""

from collections.abc import Iterator, MutableMapping
from typing import Any

from starlette.datastructures import Headers

_KEY = "pegasus.headers"


class RequestHeaders(Headers):
    """Starlette's, with an index: those look through all fields for each that is asked for."""

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        super().__init__(scope=scope)
        self._first = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self._list)}

    def get(self, key: str, default: Any = None) -> Any:
        """The first value of a field."""
        return self._first.get(key.lower(), default)

    def getlist(self, key: str) -> list[str]:
        """All values of a field."""
        return super().getlist(key) if key.lower() in self._first else []

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower()]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._first

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)


def headers_of(scope: MutableMapping[str, Any]) -> Headers:
    """The header fields of a request."""
    headers: Headers | None = scope.get(_KEY)
    if headers is None:
        headers = scope[_KEY] = RequestHeaders(scope)
    return headers
