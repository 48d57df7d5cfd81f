"""/api/tokens: tokens made, listed and revoked by an admin, as `python -m access` does."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from access import tokens
from api.guards.credentials import Admin
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import EXAMPLE_ID, JSON_BODY_BYTES
from api.schemas import PROBLEM_RESPONSES
from api.services import CurrentServices

TokenId = Annotated[UUID, Path(description="The token's id.", examples=[EXAMPLE_ID])]
router = APIRouter(
    prefix="/api/tokens", tags=["tokens"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES
)


class NewToken(BaseModel):
    """Whose recordings a token lets see, or as an admin's everybody's; and a note on what it is for."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(examples=["ada"])
    admin: bool = False
    label: str | None = Field(default=None, examples=["Ada's phone"])


class Token(BaseModel):
    """A token of the table, without its secret; those in the settings aren't among them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    user_id: str
    admin: bool
    label: str | None
    created_at: datetime
    revoked_at: datetime | None


class CreatedToken(Token):
    """A new token with its secret, which is never shown again."""

    secret: str


class Tokens(BaseModel):
    """All tokens, revoked ones included, the oldest first."""

    items: list[Token]


@router.get("", operation_id="list_tokens")
async def show(services: CurrentServices, _admin: Admin) -> Tokens:
    """Lists the tokens. Needs an admin's."""
    async with services.authenticator.sessions() as session:
        return Tokens(items=[Token.model_validate(token) for token in await tokens.list_all(session)])


@router.post("", operation_id="create_token", status_code=201, max_body_size=JSON_BODY_BYTES)
async def create(new: NewToken, services: CurrentServices, _admin: Admin) -> CreatedToken:
    """Makes a token. Needs an admin's: on a server that asks for none, the first one is made by `python -m access`."""
    async with services.authenticator.sessions() as session:
        token, secret = await tokens.create(session, new.user_id, admin=new.admin, label=new.label)
        await session.commit()
    return CreatedToken(**Token.model_validate(token).model_dump(), secret=secret)


@router.delete("/{token_id}", operation_id="revoke_token")
async def revoke(token_id: TokenId, services: CurrentServices, _admin: Admin) -> Token:
    """Revokes a token, also one's own: it counts no more, at once. It stays in the list, with the time."""
    async with services.authenticator.sessions() as session:
        token = await tokens.revoke(session, token_id)
        await session.commit()
    return Token.model_validate(token)
