"""Requests with one odd thing in them, for each place where something can stand, and with all else as it should be."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.audio.samples import recording

WORDS = [
    b"",
    b"\x00",
    b"a\x00b",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # a lone surrogate, as UTF-8 never has it
    b"\xf4\x90\x80\x80",  # beyond Unicode
    "e\u0301\u202e\U0001f600".encode(),
    b"\\ud800",
    b"%00%zz%",
    b"'\"\\;,=--",
    b"../../etc/passwd",
    b"\t \r\n x",
    b"x" * 20_000,
]
NUMBERS = [
    b"-1",
    b"+1",
    b"1.5",
    b"1e400",
    b"NaN",
    b"0x1",
    b"1_000",
    "\uff11".encode(),  # digits, though not ASCII's
    str(2**31).encode(),
    str(2**63).encode(),
    b"9" * 40,
    b"9" * 5000,  # more than Python makes a number of
]
VALUES = [*WORDS, *NUMBERS]
IDS = [
    b"{00000000-0000-4000-8000-000000000000}",
    b"urn:uuid:00000000-0000-4000-8000-000000000000",
    b"0" * 32,
    b"0" * 31,
]
JSON = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"[" * 30_000,
    b'{"tag":' * 9000,
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"NaN",
    b"9" * 5000,
    b'{"tag": %b}' % (b"9" * 5000),
    *(
        b'{"tag": "%b", "category": "%b", "token": "%b"}' % (text, text, text)
        for text in (b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\\u00e9", b"\xff", b"\xed\xa0\x80", b"x" * 9000)
    ),
    b'{"tag": {"a": ["b"]}, "category": 1e400, "token": 1}',
    b'{"tag": "a", "tag": null, "\\u0000": 1}',
]
DOWNLOAD = {
    "If-None-Match": ["%s", '"%s"', 'W/"%s", *'],
    "If-Range": ["%s", '"%s"'],
    "Range": ["%s", "bytes=%s-", "bytes=-%s", "bytes=0-%s", "bytes=0-1,%s-", "%s=0-1"],
}
# Headers that are looked at and not described, where that is, and how their values are written: %s is the odd part.
HEADERS = {
    "GET /api/audio": {
        "Accept-Encoding": ["%s"],
        "Authorization": ["%s", "Bearer %s", "Basic %s"],
        "Connection": ["%s", "close, %s"],
        "Cookie": ["%s", "pegasus_session=%s", 'pegasus_session="%s"', 'pegasus_session="\\%s"', "%s=pegasus_session"],
        "Expect": ["%s"],
        "Host": ["%s", "127.0.0.1:%s", "[%s]", "[:%s]"],
        "If-Modified-Since": ["%s"],
        "Origin": ["%s", "http://%s"],
        "Sec-Fetch-Site": ["%s"],
        "TE": ["%s"],
        "X-Forwarded-For": ["%s"],
        "X-Request-ID": ["%s"],
        "traceparent": ["%s", "00-%s-00f067aa0ba902b7-01"],
    },
    "GET /metrics": {
        "Accept": [
            "%s",
            "text/plain; version=%s",
            "application/openmetrics-text; version=%s",
            "application/openmetrics-text; version=%s.%s.%s",
            "application/openmetrics-text; version=1.0.0; escaping=%s",
            "text/plain; q=%s",
            "%s/%s;%s",
        ]
    },
    "GET /": {"If-None-Match": ["%s"], "Accept": ["%s"]},
    "GET /docs": {"If-None-Match": ["%s"], "Host": ["%s", "[:%s]"]},
    "GET /openapi.json": {"Host": ["%s", "[:%s]"], "X-Forwarded-Prefix": ["%s"]},
    "HEAD /api/audio/{recording_id}/download": {"If-None-Match": ["%s"], "Range": ["bytes=%s-"]},
    "GET /api/audio/{recording_id}/download": DOWNLOAD,
    "POST /api/audio/upload": {
        "Content-Digest": ["%s", "sha-256=:%s:", "sha-256=%s", "%s=:YQ==:"],
        "Content-Type": ["%s", "multipart/form-data; boundary=%s", 'multipart/form-data; boundary="%s"; charset=%s'],
        "Idempotency-Key": ["%s"],
        "Repr-Digest": ["%s", "sha-512=:%s:"],
    },
    "PUT /api/audio/{recording_id}/tags": {"Content-Type": ["%s", "application/json; charset=%s"]},
    "POST /api/session": {
        "Content-Encoding": ["%s"],
        "Content-Type": ["application/json; %s"],
        "Host": ["%s", "[:%s]"],
        "Origin": ["https://%s"],
    },
    "POST /api/uploads": {
        "Upload-Checksum": ["sha1 %s", "%s YQ=="],
        "Upload-Concat": ["%s"],
        "Upload-Metadata": ["%s YQ==", "filename %s", "tag YQ==,tag %s"],
        "X-HTTP-Method-Override": ["%s"],
    },
}
HOSTS = [b"[:::::]", b"[1:2:3:4:5:6:7:8:9]", b"[:.]", b"[::1]:99999", b"[fe80::1%25lo]", b"a..b", b".", b":1", b"a:0:0"]
# What there is and /openapi.json doesn't describe.
UNDESCRIBED = (
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/web/app.js"),
    ("GET", "/docs"),
    ("GET", "/docs/swagger-ui.css"),
    ("GET", "/redoc"),
    ("GET", "/openapi.json"),
    ("GET", "/api/audio/"),
    ("HEAD", "/api/audio/{recording_id}/download"),
)
CURSORS = [
    b"null",
    b"[]",
    b'["%b", true]',
    *(
        b'["%b", true, ' + value + b', "00000000000040008000000000000000"]'
        for value in (
            b"null",
            b"1",
            b"1.5",
            b"NaN",
            b"1e999",
            b"true",
            b"[]",
            b'"a"',
            b'"0001-01-01"',
            b"9" * 30,
            b"9" * 5000,
        )
    ),
    b'["%b", true, "\\u0000", "00000000000040008000000000000000"]',
    b'["%b", true, "\\ud800", "00000000000040008000000000000000"]',
    b'["%b", true, null, null]',
    b'["%b", 1, null, "00000000000040008000000000000000"]',
    b'[["%b"], {}, null, "x"]',
    b"[" * 5000,
]
METADATA = (b"filename", b"filetype", b"tag", b"category", b"user_id")
TUS = [(b"Tus-Resumable", b"1.0.0")]
FORM = b"multipart/form-data; boundary=b"
BYTES = b"application/offset+octet-stream"
TYPES = (b"application/json", FORM, BYTES, b"text/plain")
SMALL = recording("amr")
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method and a path of the API, with the parameters that its description names.

    `token` is what each of its requests bears, should the server ask for one.
    """

    method: str
    path: str
    token: Headers = ()
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def request(self, *odd: tuple[bytes, bytes], query: bytes = b"", body: bytes | None = None) -> bytes:
        """A request that is right but for its odd headers, query or body."""
        names = {name.lower() for name, _ in odd}
        headers = [item for item in self._right_headers() if item[0].lower() not in names]
        target = self.path.encode() + (b"?" + query if query else b"")
        return written(self.method.encode(), target, [*headers, *odd], self._right_body() if body is None else body)

    def _right_headers(self) -> Headers:
        return [*self.token, *self._own_headers()]

    def _own_headers(self) -> Headers:
        if "/uploads" in self.path:
            more = {"POST": [(b"Upload-Length", b"100")], "PATCH": [(b"Upload-Offset", b"0")]}.get(self.method, [])
            return [*TUS, *more, (b"Content-Type", BYTES)]
        if self.path.endswith("/upload"):
            return [(b"Content-Type", FORM)]
        return [(b"Content-Type", b"application/json")] if self.method in {"PUT", "POST"} else []

    def _right_body(self) -> bytes:
        if self.path.endswith("/upload"):
            return form()
        if "/uploads" in self.path:
            return SMALL[:50] if self.method == "POST" else b""  # nothing is appended, so each PATCH is at its offset
        return b'{"tag": "a", "token": "b"}' if self.method in {"PUT", "POST"} else b""


def operations(description: dict[str, Any], *, token: Headers, **ids: str) -> list[Operation]:
    """Every operation of an OpenAPI description and those that it leaves out, about what has these ids.

    What deletes comes last, or nothing would be there for the others.
    """
    described = [
        Operation(
            method=method.upper(),
            path=path.format(**ids),
            token=token,
            query=tuple(one["name"] for one in told.get("parameters", []) if one["in"] == "query"),
            headers=tuple(one["name"] for one in told.get("parameters", []) if one["in"] == "header"),
        )
        for path, methods in description["paths"].items()
        for method, told in methods.items()
    ]
    others = [Operation(method=method, path=path.format(**ids), token=token) for method, path in UNDESCRIBED]
    return sorted(described + others, key=lambda one: one.method == "DELETE")


def written(method: bytes, target: bytes, headers: Headers = (), body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Connection: close"]
    lines += [] if any(name == b"Host" for name, _ in headers) else [b"Host: 127.0.0.1"]
    lines += [name + b": " + value for name, value in headers]
    lines += [b"Content-Length: %d" % len(body)] if body or method in {b"POST", b"PUT", b"PATCH"} else []
    return b"\r\n".join([*lines, b"", body])


def form(*, name: bytes = b"memo.amr", disposition: bytes = b"form-data", **fields: bytes) -> bytes:
    """A form with a recording and fields."""
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (field.encode(), value)
        for field, value in fields.items()
    ]
    head = b'--b\r\nContent-Disposition: %b; name="file"; filename="%b"\r\n\r\n' % (disposition, name)
    return b"".join([*parts, head, SMALL, b"\r\n--b--\r\n"])


def percent(value: bytes) -> bytes:
    """Bytes as a path or a query may hold them."""
    return b"".join(b"%%%02X" % byte for byte in value)


def in_paths(all_of_them: list[Operation]) -> Iterator[bytes]:
    """Odd values where a path has an id or a name, and around it."""
    for operation in all_of_them:
        folder, _, _ = operation.path.rpartition("/")
        for value in [*map(percent, WORDS[1:-1]), *NUMBERS, *IDS, b"x" * 20_000, b"\xff", b"%2f", b"%ed%a0%80"]:
            for path in (folder, operation.path):
                target = path.encode() + b"/" + value
                yield written(operation.method.encode(), target, [*operation.token, *TUS])


def in_queries(all_of_them: list[Operation]) -> Iterator[bytes]:
    """Odd values of each parameter, odd names, and too many of them."""
    odd = [b"=", b"&&", b"%00=%00", b"a&" * 5000, b"limit=1&limit=2", b"q=1;q=2", b"%ff%fe", b"?" * 500, b"\xff=\xff"]
    for operation in all_of_them:
        for name in operation.query:
            for value in [*map(percent, WORDS[:-1]), *NUMBERS, b"x" * 20_000]:
                yield operation.request(query=name.encode() + b"=" + value)
        for query in odd if operation.query else odd[:1]:
            yield operation.request(query=query)
    page = operation_at("GET /api/audio", all_of_them)
    for sort in (b"uploaded", b"name", b"size", b"duration"):
        for cursor in CURSORS:
            text = base64.urlsafe_b64encode(cursor.replace(b"%b", sort)).rstrip(b"=")
            yield page.request(query=b"sort=%b&order=desc&cursor=%b" % (sort, text))


def in_headers(all_of_them: list[Operation]) -> Iterator[bytes]:
    """Odd values of each header that is looked at, alone and behind another one, bare and in the form expected."""
    for operation in all_of_them:
        for host in HOSTS:
            yield operation.request((b"Host", host))
        for field, value in product(map(str.encode, operation.headers), VALUES):
            yield operation.request((field, value))
            yield operation.request((field, b"1"), (field, value))
    for known, headers in HEADERS.items():
        yield from with_headers(operation_at(known, all_of_them), headers)
    for value in map(base64.b64encode, VALUES):
        yield operation_at("GET /api/audio", all_of_them).request((b"Cookie", b"pegasus_session=" + value))
        for key in METADATA:
            yield operation_at("POST /api/uploads", all_of_them).request((b"Upload-Metadata", key + b" " + value))


def with_headers(operation: Operation, headers: dict[str, list[str]]) -> Iterator[bytes]:
    """Odd values of some headers, each in every form that it has."""
    for name, templates in headers.items():
        for template, value in product(templates, VALUES):
            yield operation.request((name.encode(), template.encode().replace(b"%s", value)))


def operation_at(known: str, all_of_them: list[Operation]) -> Operation:
    """The operation of that method whose path has that form."""
    method, _, path = known.partition(" ")
    before, _, after = path.partition("{recording_id}")
    of_method = (one for one in all_of_them if one.method == method)
    found = (one for one in of_method if one.path.startswith(before) and one.path.endswith(after))
    return min(found, key=lambda one: len(one.path))


def in_bodies(all_of_them: list[Operation]) -> Iterator[bytes]:
    """Odd JSON, odd forms, each as what it isn't, and bodies where there should be none."""
    for operation in all_of_them:
        if operation.method in {"GET", "HEAD", "OPTIONS"}:
            for body in (b"{}", form(), b"x" * 70_000):
                yield operation.request((b"Content-Type", FORM), body=body)
            for chunks in (b"", b"0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"x\r\n"):
                yield operation.request((b"Transfer-Encoding", b"chunked"), body=b"") + chunks
        if operation.method in {"POST", "PUT", "PATCH"}:
            for body in [*JSON, *WORDS, form(), b"x" * 70_000]:
                for kind in TYPES:
                    yield operation.request((b"Content-Type", kind), body=body)
    upload = operation_at("POST /api/audio/upload", all_of_them)
    for value in [*VALUES, b"=?utf-8?B?AP8=?=", b'a"; filename="b', b"..", b"C:\\x", b"x" * 300 + b".wav"]:
        for field in ("tag", "category", "user_id", "x"):
            yield upload.request(body=form(**{field: value}))
        yield upload.request(body=form(name=value))
        yield upload.request(body=form(disposition=value))
        yield upload.request(body=form(disposition=b"form-data; filename*=utf-8''" + percent(value)))
        yield upload.request(body=form(disposition=b"form-data; filename*=%b''%%ff" % value))


def in_first_lines(all_of_them: list[Operation]) -> Iterator[bytes]:
    """Methods that there aren't, and targets that are none."""
    targets = [
        b"*",
        b"/",
        b"//",
        b"/api/audio/",
        b"http://127.0.0.1",
        b"http://127.0.0.1/",
        b"127.0.0.1:80",
        b"?",
        b"/%",
    ]
    token = all_of_them[0].token
    for method in (b"FOO", b"TRACE", b"CONNECT", b"PRI", b"get", b"OPTIONS", b"PROPFIND", b"M-SEARCH", b"HEAD"):
        for target in targets:
            yield written(method, target, token)
    for path in sorted({operation.path for operation in all_of_them}):
        for method in (b"FOO", b"TRACE", b"PATCH", b"OPTIONS"):
            yield written(method, path.encode(), token)


PLACES = (in_paths, in_queries, in_headers, in_bodies, in_first_lines)
