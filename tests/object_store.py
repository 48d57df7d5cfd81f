"""A real object store for the tests: SeaweedFS on this machine's loopback, with keys that it asks for."""

import json
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from storage.contract import StorageError
from storage.s3.bucket import Bucket
from storage.s3.signature import Signer

KEY_ID, SECRET, REGION = "pegasus", "a secret for tests", "us-east-1"
MAKER = Signer(key_id="maker", secret="may make buckets", region=REGION)
BUCKET = "recordings"
START_SECONDS = 100
RIGHTS = ("Read", "Write", "List")
IDENTITIES = [
    {"name": "pegasus", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": [*RIGHTS]},
    {"name": "maker", "credentials": [{"accessKey": MAKER.key_id, "secretKey": MAKER.secret}], "actions": ["Admin"]},
]


@dataclass
class ObjectStore:
    """One SeaweedFS with everything in one process, whose bytes stay in `folder` when it is stopped."""

    folder: Path
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @cached_property
    def endpoint(self) -> str:
        """Where it speaks S3."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    @cached_property
    def _ports(self) -> dict[str, int]:
        names = ("master", "volume", "filer", "s3")
        with ExitStack() as stack:
            taken = [stack.enter_context(socket.socket()) for _ in range(2 * len(names))]
            for one in taken:
                one.bind(("127.0.0.1", 0))
            numbers = [one.getsockname()[1] for one in taken]
        return dict(zip([*names, *(f"{name}.grpc" for name in names)], numbers, strict=True))

    def start(self) -> None:
        """Starts it, with a bucket, and returns once it can be used. It ends with the calling thread."""
        rights = self.folder / "s3.json"
        rights.write_text(json.dumps({"identities": IDENTITIES}))
        (self.folder / "data").mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(rights), stdout=log, stderr=log, start_new_session=True)
        latest = time.monotonic() + START_SECONDS
        while not self._has_bucket():
            if self._process.poll() is not None or time.monotonic() > latest:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._process is not None

    def stop(self) -> None:
        """Kills it; what it has taken in stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bucket(self, prefix: str | None = None, *, endpoint: str | None = None, secret: str = SECRET) -> Bucket:
        """A place of its own in the bucket."""
        return Bucket(
            bucket=BUCKET,
            prefix=prefix if prefix is not None else uuid4().hex,
            endpoint=endpoint or self.endpoint,
            signer=Signer(key_id=KEY_ID, secret=secret, region=REGION),
            answer_seconds=10,
        )

    def settings(self, prefix: str | None = None) -> dict[str, Any]:
        """The settings of a server with a place of its own in the bucket."""
        return {
            "storage": f"s3://{BUCKET}/{prefix or uuid4().hex}",
            "aws_endpoint_url": self.endpoint,
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
        }

    def _has_bucket(self) -> bool:
        path = f"/{BUCKET}"
        headers = MAKER.headers("PUT", host=f"127.0.0.1:{self._ports['s3']}", path=path, query={})
        try:
            made = httpx.put(f"{self.endpoint}{path}", headers=headers, timeout=5).status_code
        except httpx.HTTPError:
            return False
        if made not in {200, 409}:
            return False
        try:
            self.bucket("").put("started", b"x")
        except StorageError:  # not yet
            return False
        return True

    def _command(self, rights: Path) -> list[str]:
        told = [
            f"-{name.removesuffix('.grpc')}.port{'.grpc' if name.endswith('.grpc') else ''}={port}"
            for name, port in self._ports.items()
        ]
        dying = ["setpriv", "--pdeathsig", "KILL"] if sys.platform == "linux" and shutil.which("setpriv") else []
        return [
            *dying,
            str(Path(sys.executable).with_name("weed")),
            "server",
            f"-dir={self.folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-master.electionTimeout=1s",
            "-master.heartbeatInterval=100ms",
            "-volume.max=200",
            f"-filer.localSocket={self.folder / 'filer.sock'}",
            f"-s3.localSocket={self.folder / 's3.sock'}",
            "-s3",
            f"-s3.config={rights}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *told,
        ]


def names_in(bucket: Bucket) -> dict[str, int]:
    """Everything that lies in it with its size, but what storage knows of itself."""
    return {
        one["path"]: one["size"]
        for batch in bucket.list(None)
        for one in batch
        if not one["path"].startswith(".pegasus/")
    }
