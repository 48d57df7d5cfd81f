"""/api/server and /api/usage: what a page of settings shows, and to whom."""

from typing import Any

import asyncpg
import httpx
from pydantic import SecretStr

from core.settings import Settings
from tests.api.conftest import MakeToken, Serve, Upload, problem
from tests.api.test_health import database_away
from tests.audio.samples import recording
from tests.conftest import RunSql

SYSTEM_HEAD = "s008"
WAV_BYTES = len(recording("wav"))
MIB = 1024 * 1024
KEY, HOOKS = "sk-of-nobody-else", "https://93.184.215.14/of-nobody-else,https://93.184.215.14/another"
HOOK_SECRET = "whsec_" + "c2VjcmV0LW9mLW5vYm9keS1lbHNlLWF0LWFsbA=="


def bearing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def info_of(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/api/server")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_server_describes_itself(client: httpx.AsyncClient, settings: Settings, upload: Upload) -> None:
    """Version, database with its revisions, storage, what is stored and by whom, and the heals that made the tables."""
    await upload(user_id="ada")
    await upload(user_id="ada")
    await upload()
    info = await info_of(client)
    heals = info.pop("heals")
    assert info == {
        "version": "0.1.0",
        "database": {
            "kind": "external",
            "chains": [
                {"name": "audio_files", "revision": "002", "head": "002"},
                {"name": "pegasus_system", "revision": SYSTEM_HEAD, "head": SYSTEM_HEAD},
            ],
        },
        "storage": "local" if settings.storage == "local" else "s3",
        "usage": {
            "size_bytes": 3 * WAV_BYTES,
            "recordings": 3,
            "users": 2,
            "by_user": [
                {"user_id": "ada", "size_bytes": 2 * WAV_BYTES, "recordings": 2},
                {"user_id": None, "size_bytes": WAV_BYTES, "recordings": 1},
            ],
        },
        "quota": {"size_bytes": None, "recordings": None},
        "engines": {"processing": False, "transcription": None, "improvement": None, "webhooks": 0},
    }
    assert [(heal["chain_head"], heal["verdict"], heal["outcome"]) for heal in heals] == [
        (SYSTEM_HEAD, "empty", "healed"),
        ("002", "empty", "healed"),
    ]


async def test_an_empty_server_describes_itself(client: httpx.AsyncClient) -> None:
    """Nothing stored is nothing, and no user."""
    assert (await info_of(client))["usage"] == {"size_bytes": 0, "recordings": 0, "users": 0, "by_user": []}


async def test_heals_are_listed_with_what_they_did(serve: Serve, run_sql: RunSql) -> None:
    """The last ten, newest first, each with its steps; one that failed says why."""
    for _ in range(9):
        await run_sql("DROP INDEX ix_audio_files_tag")
        async with serve(heals=True):
            pass
    await run_sql(
        "INSERT INTO pegasus_system.heals (outcome, verdict, claimed, located, head, plan, reason, digest_before, host,"
        " code_version) VALUES ('failed', 'behind', '001', '001', '002', $1, 'the disk is full', '', 'somewhere', '')",
        '[{"do": "upgrade", "revision": "002"}]',
    )
    async with serve() as client:
        heals = (await info_of(client))["heals"]
    assert len(heals) == 10
    assert heals[0]["report"] == "behind at 001: failed, to 002\nupgrade       002\nthe disk is full"
    assert heals[0]["sentence"] == "The last heal failed."
    assert heals[1]["report"].startswith("incomplete at 002: healed, to 002 in ")
    assert "run           CREATE INDEX ix_audio_files_tag" in heals[1]["report"]
    assert [heal["at"] for heal in heals] == sorted((heal["at"] for heal in heals), reverse=True)


async def test_a_heal_of_a_newer_pegasus_is_listed(serve: Serve, run_sql: RunSql) -> None:
    """With a verdict and steps that this one doesn't know, it keeps neither the start nor an answer back."""
    await run_sql(
        "INSERT INTO pegasus_system.heals (outcome, verdict, claimed, located, head, plan, reason, digest_before, host,"
        " code_version) VALUES ('healed', 'renewed', '002', '002', '003', $1, NULL, '', 'somewhere', '')",
        '[{"do": "polish", "object": "audio_files"}]',
    )
    async with serve() as client:
        heal = (await info_of(client))["heals"][0]
        health = (await client.get("/health")).json()
    assert (heal["verdict"], heal["sentence"]) == ("renewed", "The schema was healed.")
    assert health["last_heal"]["verdict"] == "renewed"


async def test_engines_are_described_without_secrets(serve: Serve, settings: Settings) -> None:
    """Which engines are on, by which models, and how many webhooks; no key, no address, no path of the machine."""
    changed = {
        "transcription_engine": "openai",
        "transcription_language": "en",
        "transcription_speakers": True,
        "openai_api_key": SecretStr(KEY),
        "ollama_model": "llama3.2",
        "webhook_urls": SecretStr(HOOKS),
        "webhook_secret": SecretStr(HOOK_SECRET),
        "user_quota_mb": 5,
        "user_quota_recordings": 7,
    }
    async with serve(**changed) as client:
        response = await client.get("/api/server")
    assert response.json()["engines"] == {
        "processing": False,
        "transcription": {"name": "openai", "model": "whisper-1", "language": "en", "speakers": True},
        "improvement": "llama3.2",
        "webhooks": 2,
    }
    assert response.json()["quota"] == {"size_bytes": 5 * MIB, "recordings": 7}
    assert settings.database_url is not None
    secrets = (KEY, "nobody", HOOK_SECRET, settings.database_url.get_secret_value(), str(settings.data_path))
    assert [secret for secret in secrets if secret in response.text] == []


async def test_a_models_folder_is_named_without_its_path(serve: Serve) -> None:
    """Where WHISPER_MODEL is a folder, its name is shown."""
    async with serve(transcription_engine="whisper", whisper_model="/srv/somewhere/models/tiny-en/") as client:
        assert (await info_of(client))["engines"]["transcription"]["model"] == "tiny-en"


async def test_only_admins_see_the_server_where_tokens_are_needed(serve: Serve, make_token: MakeToken) -> None:
    """A user's token doesn't, an admin's does; /api/session says beforehand which of them it is."""
    _, users = await make_token("ada")
    _, admins = await make_token("root", admin=True)
    async with serve() as client:
        problem(await client.get("/api/server"), status=401, slug="token-missing")
        problem(await client.get("/api/server", headers=bearing(users)), status=403, slug="admin-needed")
        assert (await client.get("/api/session", headers=bearing(admins))).json()["admin"] is True
        assert (await client.get("/api/server", headers=bearing(admins))).status_code == 200


async def test_each_user_sees_what_they_use(serve: Serve, make_token: MakeToken) -> None:
    """Their own alone, beside the quota; an admin may ask for another user's."""
    _, users = await make_token("ada")
    _, admins = await make_token("root", admin=True)
    files = {"file": ("memo.wav", recording("wav"))}
    quota = {"size_bytes": 5 * MIB, "recordings": None}
    async with serve(user_quota_mb=5) as client:
        await client.post("/api/audio/upload", files=files, headers=bearing(users))
        used = {"user_id": "ada", "size_bytes": WAV_BYTES, "recordings": 1, "quota": quota}
        assert (await client.get("/api/usage", headers=bearing(users))).json() == used
        assert (await client.get("/api/usage?user_id=root", headers=bearing(users))).json() == used
        assert (await client.get("/api/usage?user_id=ada", headers=bearing(admins))).json() == used
        nothing = {"user_id": "root", "size_bytes": 0, "recordings": 0, "quota": quota}
        assert (await client.get("/api/usage", headers=bearing(admins))).json() == nothing
        for query, slug in {"user_id=a%00": "label-unprintable", "user=ada": "request-invalid"}.items():
            refused = await client.get(f"/api/usage?{query}", headers=bearing(admins))
            problem(refused, status=422, slug=slug)


async def test_usage_without_tokens(client: httpx.AsyncClient, upload: Upload) -> None:
    """On an open server an upload without a user counts as nobody's, and so does its usage."""
    await upload()
    await upload(user_id="ada")
    usage = (await client.get("/api/usage")).json()
    assert (usage["user_id"], usage["recordings"]) == (None, 1)
    assert (await client.get("/api/usage?user_id=ada")).json()["recordings"] == 1


async def test_a_history_that_cannot_be_read_hides_nothing_else(client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """Without the journal of heals the rest is answered, and it is said that the history can't be read."""
    await run_sql("ALTER TABLE pegasus_system.heals RENAME COLUMN verdict TO lost")
    info = await info_of(client)
    assert (info["heals"], info["database"]) == (None, {"kind": "external", "chains": None})
    assert info["usage"]["recordings"] == 0


async def test_a_server_without_its_database_says_so(
    client: httpx.AsyncClient, server_address: str, database: str
) -> None:
    """As a problem, like every other call."""
    async with database_away(server_address, database):
        for path in ("/api/server", "/api/usage"):
            problem(await client.get(path), status=503, slug="database-unavailable")


async def test_usage_that_takes_too_long_to_count_is_left_out(client: httpx.AsyncClient, database: str) -> None:
    """While the table can't be read in time, the rest is answered."""
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await connection.execute("LOCK TABLE audio_files IN ACCESS EXCLUSIVE MODE")
        info = await info_of(client)
    await connection.close()
    assert (info["usage"], info["database"]["chains"][0]["revision"]) == (None, "002")
