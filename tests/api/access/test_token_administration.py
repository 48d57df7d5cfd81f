"""/api/tokens: what an admin's token can do with the others, and nobody else."""

import httpx
import pytest

from tests.api.conftest import MakeToken, Serve, problem
from tests.conftest import RunSql


def bearing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_an_admin_makes_lists_and_revokes_tokens(serve: Serve, make_token: MakeToken) -> None:
    """A token made over HTTP is its user's at once, is listed without its secret, and counts no more once revoked."""
    admin_id, admin = await make_token("root", admin=True)
    async with serve() as client:
        client.headers.update(bearing(admin))
        response = await client.post("/api/tokens", json={"user_id": " ada ", "label": "phone"})
        assert response.status_code == 201, response.text
        created = response.json()
        assert (created["user_id"], created["admin"], created["label"], created["revoked_at"]) == (
            "ada",
            False,
            "phone",
            None,
        )
        secret = created.pop("secret")
        listed = await client.get("/api/tokens")
        assert secret not in listed.text
        assert [(token["id"], token["user_id"]) for token in listed.json()["items"]] == [
            (str(admin_id), "root"),
            (created["id"], "ada"),
        ]
        assert (await client.get("/api/session", headers=bearing(secret))).json()["user_id"] == "ada"
        revoked = await client.delete(f"/api/tokens/{created['id']}")
        assert revoked.json()["revoked_at"] is not None
        assert (await client.delete(f"/api/tokens/{created['id']}")).json() == revoked.json()
        assert (await client.get("/api/audio", headers=bearing(secret))).status_code == 401


async def test_nobody_else_does(serve: Serve, make_token: MakeToken, run_sql: RunSql) -> None:
    """A user's token can't, nor can anybody on a server that asks for none: a first token would lock its owner out."""
    async with serve() as client:
        for method in ("GET", "POST"):
            refused = await client.request(method, "/api/tokens", json={"user_id": "ada"} if method == "POST" else None)
            problem(refused, status=403, slug="admin-needed")
        assert await run_sql("SELECT * FROM pegasus_system.tokens") == []
    token_id, secret = await make_token("ada")
    async with serve() as client:
        client.headers.update(bearing(secret))
        problem(await client.get("/api/tokens"), status=403, slug="admin-needed")
        problem(await client.post("/api/tokens", json={"user_id": "ada"}), status=403, slug="admin-needed")
        problem(await client.delete(f"/api/tokens/{token_id}"), status=403, slug="admin-needed")


@pytest.mark.parametrize(
    ("sent", "slug"),
    [
        ({"user_id": "  "}, "token-without-user"),
        ({"user_id": "a\n"}, "label-unprintable"),
        ({"user_id": "ada", "label": "x" * 101}, "label-too-long"),
        ({"user_id": "ada", "rights": "all"}, None),
        ({}, None),
    ],
)
async def test_what_makes_no_token_is_refused(
    serve: Serve, make_token: MakeToken, run_sql: RunSql, sent: dict[str, str], slug: str | None
) -> None:
    """With the reason; an unknown token can't be revoked."""
    _, admin = await make_token("root", admin=True)
    async with serve() as client:
        client.headers.update(bearing(admin))
        refused: httpx.Response = await client.post("/api/tokens", json=sent)
        assert refused.status_code == 422
        assert slug is None or problem(refused, status=422, slug=slug)
        missing = await client.delete("/api/tokens/6f1c2a34-5d0e-4c1f-9a53-0f9d8f1c7b21")
        problem(missing, status=404, slug="token-unknown")
    assert len(await run_sql("SELECT * FROM pegasus_system.tokens")) == 1
