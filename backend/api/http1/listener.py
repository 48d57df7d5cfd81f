"""The listening socket, claimed before anything that takes long to import."""

import os
import socket

from core.errors import SettingRefused
from core.settings import Settings

BACKLOG = 2048
SILENCE_SECONDS = 60


def claim_address(settings: Settings) -> socket.socket:
    """Listens on HOST and PORT; early clients wait until the application is ready.

    Raises SettingRefused when the host is unknown or the port is taken.
    """
    where = f"{settings.host} port {settings.port}"
    try:
        addresses = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        listener = socket.create_server(addresses[0][4][:2], family=addresses[0][0], backlog=BACKLOG)
    except (socket.gaierror, UnicodeError) as error:
        raise SettingRefused("HOST", f"names no address of this machine: {settings.host}") from error
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        remedy = f"; choose another one: PORT={_another(settings.port)} make run"
        raise SettingRefused("PORT", f"can't be used: {where}: {reason}{remedy}") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS; accepted connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_SECONDS * 1000)
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL at which a listener is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _another(port: int) -> int:
    """A port to propose, beside one that can't be used; below 1024 only root may listen."""
    return port + 1 if 1024 <= port < 65535 else 8001  # noqa: PLR2004
