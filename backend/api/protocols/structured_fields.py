"""Structured fields (RFC 9651) of requests, by http-sf."""

from collections.abc import Mapping
from typing import cast

from http_sf import DictionaryType, StructuredFieldError, parse
from starlette.datastructures import Headers


def item(headers: Mapping[str, str], name: str) -> object:
    """The value of an Item, without its parameters; None where the field is missing or malformed."""
    try:
        value = parse(_combined(headers, name), tltype="item")
    except StructuredFieldError:
        return None
    return value[0] if isinstance(value, tuple) else None


def dictionary(headers: Mapping[str, str], name: str) -> dict[str, object]:
    """The values of a Dictionary, without their parameters. Raises StructuredFieldError.

    Of several members with one key the last counts (RFC 9651, 3.2).
    """
    members = cast("DictionaryType", parse(_combined(headers, name), tltype="dictionary"))
    return {key: member[0] if isinstance(member, tuple) else member for key, member in members.items()}


def _combined(headers: Mapping[str, str], name: str) -> bytes:
    """All lines of a field as one (RFC 9110, 5.3); `headers` other than a request's have one of each."""
    return ", ".join(headers.getlist(name) if isinstance(headers, Headers) else [headers.get(name, "")]).encode()
