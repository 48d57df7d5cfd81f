"""The distribution's Firefox, driven by WebDriver BiDi: Playwright needs commands that its extended release lacks."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PREFERENCES: dict[str, str | int | bool] = {
    "media.autoplay.default": 0,
    # It would ask its maker for settings and updates. The machine's own addresses are reached without the proxy.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.dns.disabled": True,
}
START_SECONDS, REPLY_SECONDS = 60, 60


class Firefox:
    """One tab. `errors` are the messages of what its pages threw or wrote to the console as an error."""

    def __init__(self, connection: ClientConnection) -> None:
        self.errors: list[str] = []
        self._connection = connection
        self._last_id = 0
        self.command("session.new", capabilities={})
        self.command("session.subscribe", events=["log.entryAdded"])
        self._tab = self.command("browsingContext.create", type="tab")["context"]

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Sends a command and returns its result; what fails raises AssertionError."""
        self._last_id += 1
        self._connection.send(json.dumps({"id": self._last_id, "method": method, "params": parameters}))
        while (message := json.loads(self._connection.recv(REPLY_SECONDS))).get("id") != self._last_id:
            self._note(message)
        assert message["type"] == "success", message
        result: dict[str, Any] = message["result"]
        return result

    def open(self, address: str) -> None:
        """Opens a page, and waits until it is loaded."""
        self.command("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, function: str, *arguments: object) -> Any:
        """The value of a JavaScript function, or of the promise that it returns; as after a click of the user."""
        result = self.command(
            "script.callFunction",
            functionDeclaration=f"async (sent) => JSON.stringify(await ({function})(...JSON.parse(sent)) ?? null)",
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._tab},
            awaitPromise=True,
            userActivation=True,
        )
        assert result["type"] == "success", result["exceptionDetails"]["text"]
        return json.loads(result["result"]["value"])

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Chooses files in a picker."""
        [picker] = self.command(
            "browsingContext.locateNodes", context=self._tab, locator={"type": "css", "value": selector}
        )["nodes"]
        element = {"sharedId": picker["sharedId"]}
        self.command("input.setFiles", context=self._tab, element=element, files=[str(path) for path in paths])

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
            self.errors.append(message["params"]["text"])


@contextmanager
def firefox_running(executable: str, folder: Path) -> Iterator[Firefox]:
    """A headless Firefox with a profile of its own in `folder`."""
    profile = folder / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    arguments = ["--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [executable, *arguments], env=os.environ | {"HOME": str(folder)}, stdout=log, stderr=log
        )
    try:
        with connect(f"{_address(profile, process)}/session", max_size=None) as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(30)


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Where it listens, once it has written that down."""
    late = time.monotonic() + START_SECONDS
    while time.monotonic() < late and process.poll() is None:
        with suppress(OSError, ValueError):
            server = json.loads((profile / "WebDriverBiDiServer.json").read_text())
            return f"ws://{server['ws_host']}:{server['ws_port']}"
        time.sleep(0.1)
    message = (profile.parent / "log").read_text(errors="replace")
    raise AssertionError(f"Firefox doesn't listen:\n{message}")
