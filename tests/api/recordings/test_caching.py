"""What is somebody's is kept by no cache, neither a browser's for the next user nor a proxy's for everybody."""

from uuid import uuid4

from app.application import create_app
from tests.api.access.test_auth import TUS, bearing, routes
from tests.api.conftest import MakeToken, Serve, Upload

UNKEPT = {"no-store", "private, no-cache"}
STREAM = "/api/audio/events"  # goes on for ever: asked only where it is refused; it says no-store by itself


async def test_nothing_that_is_somebodys_is_kept(serve: Serve, upload: Upload, make_token: MakeToken) -> None:
    """Each answer below /api and of /metrics says so: what is there, what isn't, what is refused and why."""
    recording = await upload()
    async with serve(auth="tokens") as client:
        _, secret = await make_token("grace", admin=True)
        asked = 0
        for method, path in sorted(routes(create_app())):
            if not path.startswith(("/api", "/metrics")):
                continue
            for one in (str(uuid4()), "none", recording["id"]):
                for headers in ({}, bearing(secret), bearing(secret) | TUS):
                    if headers and path == STREAM:
                        continue
                    answer = await client.request(
                        method, path.format(recording_id=one, upload_id=one, token_id=one), headers=headers
                    )
                    assert answer.headers.get("cache-control") in UNKEPT, (method, path, answer.status_code)
                    asked += answer.status_code < 300
        assert asked > 20
        for path in ("/api", "/api/", "/api/nothing"):
            assert (await client.get(path)).headers["cache-control"] == "no-store"
