"""Many clients on slow links: each uploads by multipart, a few KiB at a time, and none of them is ever through.

Run as a process of its own it says "under way" once each has sent its first bytes, goes on until its standard input
ends or the time is over, hangs up, and prints one line of JSON.
"""

import argparse
import contextlib
import json
import select
import socket
import sys
import time
from pathlib import Path

from benchmarks.intake.exchanges import Target, form_head
from benchmarks.intake.load import cpu_seconds

PIECES_A_SECOND = 2
TICK_SECONDS = 0.01
BETWEEN_STARTS_SECONDS = 0.005  # all at once would ask something else: how long the queue of connections may be


class SlowClients:
    """`count` connections to a port, each sending `rate` bytes a second."""

    def __init__(self, *, target: Target, count: int, rate: int, first: bytes) -> None:
        self.sent_bytes = 0
        self._target = target
        self._count = count
        self._piece = first[: rate // PIECES_A_SECOND]
        self._sockets: list[socket.socket] = []

    def start(self) -> None:
        """Connects one after the other."""
        head = form_head(self._target)
        for _ in range(self._count):
            client = socket.create_connection(("127.0.0.1", self._target.port))
            client.sendall(head + self._piece)
            client.setblocking(False)
            self._sockets.append(client)
            time.sleep(BETWEEN_STARTS_SECONDS)

    def go_on(self, seconds: float) -> None:
        """Sends in turn, at an even pace, until standard input ends or the time is over."""
        began, turn = time.monotonic(), 0
        while (now := time.monotonic() - began) < seconds:
            due = int(now * self._count * PIECES_A_SECOND)
            for number in range(turn, due):
                self._send(self._sockets[number % self._count])
            turn = due
            if select.select([sys.stdin], [], [], TICK_SECONDS)[0]:
                return

    def _send(self, client: socket.socket) -> None:
        """A server that doesn't read makes its client wait; one that hung up is counted at the end."""
        with contextlib.suppress(OSError):
            self.sent_bytes += client.send(self._piece)

    def hang_up(self) -> int:
        """Ends all, and answers how many the server had turned away by then."""
        away = 0
        for client in self._sockets:
            try:
                client.recv(1)
                away += 1
            except BlockingIOError:
                pass
            except OSError:
                away += 1
            client.close()
        return away


def main() -> None:
    """Says when all are under way, and at the end how they fared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--file", type=Path, required=True, help="whose first bytes are sent, again and again")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=10 * 1024, help="bytes a second of each")
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    never_reached = int(given.rate * given.seconds * 2)
    with given.file.open("rb") as file:
        first = file.read(given.rate)
    target = Target(given.port, given.path, never_reached)
    clients = SlowClients(target=target, count=given.clients, rate=given.rate, first=first)
    clients.start()
    print("under way", flush=True)
    cpu, began = cpu_seconds(), time.monotonic()
    clients.go_on(given.seconds)
    seconds = time.monotonic() - began
    cpu = cpu_seconds() - cpu
    sent = clients.sent_bytes
    told = {"seconds": seconds, "bytes": sent, "turned_away": clients.hang_up(), "client_cpu_seconds": cpu}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
