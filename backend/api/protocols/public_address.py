"""The addresses that clients are given: absolute, as there are clients that can't do with less."""

from starlette.requests import Request

from api.guards.request_origin import is_proxied


def public_address(request: Request, path: str, *, public_url: str | None) -> str:
    """The address of `path` for the request's client: below PUBLIC_URL, or else at the host that it has asked.

    Behind a proxy and without PUBLIC_URL it stays a path: the proxy's name, and whether it speaks TLS, aren't known.
    """
    host = request.headers.get("host")
    if public_url is not None:
        return f"{public_url}{path}"
    return path if host is None or is_proxied(request.headers) else f"{request.url.scheme}://{host}{path}"
