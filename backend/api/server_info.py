"""What the pages of settings show: a server's database, storage, engines and heals, and what is stored on it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.health_checks import LastHeal
from audio.intake.quota import Quota
from audio.library.usage import Usage

DatabaseKind = Literal["embedded", "external"]
StorageKind = Literal["local", "s3"]


class QuotaLimits(BaseModel):
    """The most that each user may store."""

    size_bytes: int | None = Field(description="Of all of a user's recordings together; null sets no limit.")
    recordings: int | None = Field(description="Of their number; null sets no limit.")

    @classmethod
    def of(cls, quota: Quota) -> Self:
        """The limits of a quota, which is 0 where there is none."""
        return cls(size_bytes=quota.limit_bytes or None, recordings=quota.limit_recordings or None)


class StoredRecordings(BaseModel):
    """How much is stored."""

    size_bytes: int = Field(description="The bytes of the recordings as they were uploaded.")
    recordings: int = Field(description="The number of recordings.")


class UserUsage(StoredRecordings):
    """What one user has stored."""

    model_config = ConfigDict(from_attributes=True)

    user_id: str | None = Field(description="The user; null: the recordings without one.")


class OwnUsage(UserUsage):
    """What a user has stored, and may store."""

    quota: QuotaLimits = Field(description="The most that this user may store.")

    @classmethod
    def of_user(cls, usage: Usage, quota: Quota) -> Self:
        """The usage beside its limits."""
        return cls(**UserUsage.model_validate(usage).model_dump(), quota=QuotaLimits.of(quota))


class ServerUsage(StoredRecordings):
    """What all users have stored."""

    model_config = ConfigDict(from_attributes=True)

    users: int = Field(description="How many users have recordings; those without a user count as one's.")
    by_user: list[UserUsage] = Field(description="The users with the most bytes, the largest first, 100 at most.")


class Chain(BaseModel):
    """A chain of migrations: that of the table `audio_files`, or that of the schema `pegasus_system`."""

    name: str = Field(description="What the chain makes.", examples=["audio_files"])
    revision: str | None = Field(description="The revision on record; null without one.", examples=["002"])
    head: str = Field(description="The revision that this server needs.", examples=["002"])


class Heal(LastHeal):
    """A heal, as the journal has it."""

    chain_head: str = Field(description="The revision that it healed to.", examples=["002"])
    report: str = Field(
        description="In lines: what was found and how it ended, each step, and what went wrong.",
        examples=["behind at 001: healed, to 002 in 0.03 s\nupgrade       002"],
    )


class DatabaseInfo(BaseModel):
    """The database."""

    kind: DatabaseKind = Field(description="`embedded`: started by this server; `external`: named by DATABASE_URL.")
    chains: list[Chain] | None = Field(description="Its migrations; null where they can't be read now.")


class TranscriptionEngine(BaseModel):
    """What transcribes recordings."""

    name: str = Field(description="As TRANSCRIPTION_ENGINE names it.", examples=["whisper"])
    model: str = Field(description="The model; of a folder its name alone.", examples=["base"])
    language: str | None = Field(description="The language of all recordings; null: it is recognised.")
    speakers: bool = Field(description="Whether it says who speaks.")


class Engines(BaseModel):
    """What works on recordings, by this server's settings; a worker elsewhere has its own."""

    processing: bool = Field(description="Whether this server processes recordings itself.")
    transcription: TranscriptionEngine | None = Field(description="Speech to text; null: none.")
    improvement: str | None = Field(description="The language model that improves transcripts; null: none.")
    webhooks: int = Field(description="How many addresses are told when a recording is completed or has failed.")


class ServerInfo(BaseModel):
    """A server, for whoever looks after it."""

    version: str = Field(description="The version of Pegasus.", examples=["0.1.0"])
    database: DatabaseInfo
    storage: StorageKind = Field(description="Where the bytes lie: `local`, a folder; `s3`, an object store.")
    usage: ServerUsage | None = Field(description="What is stored; null where counting takes too long.")
    quota: QuotaLimits = Field(description="The most that each user may store.")
    engines: Engines
    heals: list[Heal] | None = Field(description="The last ten, newest first; null where they can't be read now.")


@dataclass(frozen=True, kw_only=True)
class SchemaHistory:
    """The chains of the database and its last heals, newest first."""

    chains: list[Chain]
    heals: list[Heal]


@dataclass(frozen=True, kw_only=True)
class ServerConfiguration:
    """What the settings decide, and how the history of the schema is read: None where it can't be."""

    database: DatabaseKind
    storage: StorageKind
    quota: Quota
    engines: Engines
    read_history: Callable[[], Awaitable[SchemaHistory | None]]
