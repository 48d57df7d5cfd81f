"""A client that is never the bottleneck: one thread, epoll, files by sendfile, answers' bodies thrown away uncopied.

Run as a process of its own, it sends so many requests over so many connections to a port on loopback, each connection
one request after the other, and prints one line of JSON.
"""

import argparse
import json
import math
import os
import resource
import select
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.intake.exchanges import WAYS, Answer, Exchange, Target
from benchmarks.intake.wire import Wire

BROKEN = 0  # counted among the statuses of what wasn't taken
EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


class Load:
    """So many exchanges, shared out among connections as each becomes free."""

    def __init__(self, *, way: str, target: Target, file: int, requests: int) -> None:
        self.latencies: list[float] = []
        self.not_taken: Counter[int] = Counter()
        self.last_body = b""
        self._way = WAYS[way]
        self._expected = target.size if way == "get" else None
        self._target = target
        self._file = file
        self._left = requests
        self._started = 0
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}

    def run(self, *, connections: int, seconds: float) -> None:
        """Returns when all is answered, or when the time is over."""
        deadline = time.monotonic() + seconds
        for _ in range(min(connections, self._left)):
            self._connect()
        while self._clients and (left := deadline - time.monotonic()) > 0:
            for descriptor, _event in self._poll.poll(left):
                if descriptor in self._clients:
                    self._go_on(self._clients[descriptor])
        self.not_taken[BROKEN] += len(self._clients) + self._left

    def _connect(self) -> None:
        wire = Wire(self._target.port, file=self._file, size=self._target.size)
        self._clients[wire.fileno()] = Client(wire, self._next_exchange())
        self._poll.register(wire.fileno(), EVENTS)  # which tells the first edge at once

    def _next_exchange(self) -> Exchange:
        self._left -= 1
        self._started += 1
        return self._way(self._target, self._started)

    def _go_on(self, client: "Client") -> None:
        """Sends and receives until the socket has no more to give or take: an edge is told only once."""
        try:
            while (answer := client.step()) is not None:
                self._count(client, answer)
                if answer.closes or not client.wire.all_sent:
                    self._replace(client)
                    return
                if not self._left:
                    self._close(client)
                    return
                client.begin(self._next_exchange())
        except OSError:
            self.not_taken[BROKEN] += 1
            self._replace(client)

    def _count(self, client: "Client", answer: Answer) -> None:
        self.last_body = answer.body
        if not answer.good:
            self.not_taken[answer.status] += 1
        elif self._expected not in {None, answer.length} or not client.wire.all_sent:
            self.not_taken[BROKEN] += 1
        else:
            self.latencies.append(time.perf_counter() - client.began)

    def _replace(self, client: "Client") -> None:
        self._close(client)
        if self._left:
            self._connect()

    def _close(self, client: "Client") -> None:
        del self._clients[client.wire.fileno()]
        client.wire.close()


class Client:
    """A connection and the exchange that is under way on it."""

    def __init__(self, wire: Wire, exchange: Exchange) -> None:
        self.wire = wire
        self.begin(exchange)

    def begin(self, exchange: Exchange) -> None:
        """Starts the next exchange."""
        self.began = time.perf_counter()
        self._exchange = exchange
        self.wire.begin(next(exchange))

    def step(self) -> Answer | None:
        """The answer that ends the exchange, or None while the socket blocks. Raises OSError."""
        while True:
            self.wire.send()
            answer = self.wire.receive()
            if answer is None or not self.wire.all_sent:
                return answer
            try:
                self.wire.begin(self._exchange.send(answer))
            except StopIteration:
                return answer


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--path", required=True, help="%%d becomes the number of the request")
    parser.add_argument("--file", type=Path, required=True, help="what is sent, or as large as what comes")
    parser.add_argument("--requests", type=int, default=1)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="ends by then, whatever has come back")
    given = parser.parse_args()
    file = os.open(given.file, os.O_RDONLY)
    target = Target(given.port, given.path, os.fstat(file).st_size)
    load = Load(way=given.way, target=target, file=file, requests=given.requests)
    cpu, began = cpu_seconds(), time.perf_counter()
    load.run(connections=given.connections, seconds=given.seconds)
    seconds = time.perf_counter() - began
    print(json.dumps(told(load, size=target.size) | {"seconds": seconds, "client_cpu_seconds": cpu_seconds() - cpu}))


def told(load: Load, *, size: int) -> dict[str, Any]:
    """What became of the requests; times in seconds."""
    latencies = sorted(load.latencies)
    return {
        "taken": len(latencies),
        "bytes": len(latencies) * size,
        "not_taken": {status: count for status, count in load.not_taken.items() if count},
        "p50_seconds": quantile(latencies, 0.5),
        "p99_seconds": quantile(latencies, 0.99),
        "last_body": load.last_body.decode(errors="replace"),
    }


def quantile(ordered: list[float], share: float) -> float | None:
    """The value below or at which that share lies (the nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def cpu_seconds() -> float:
    """What this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
