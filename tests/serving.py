"""uvicorn on an event loop that is there already, started and ended by its own parts.

Its own loop looks every tenth of a second whether it is to end, and its end waits another one: in hundreds of tests
nobody has time for that. That a signal ends it, and how, is for the tests of the real program.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn


@asynccontextmanager
async def served(server: uvicorn.Server, listener: socket.socket) -> AsyncIterator[str]:
    """The base URL of a server that listens for as long as the block lasts, and then has answered everybody."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    await server.on_tick(0)  # the headers that each answer bears
    host, port = listener.getsockname()
    yield f"http://{host}:{port}"
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    while not server.force_exit and (server.server_state.connections or server.server_state.tasks):
        await asyncio.sleep(0.001)
    await server.lifespan.shutdown()
