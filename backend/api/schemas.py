"""The models of requests and responses. A recording has its columns' names, without its path in storage."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Column, DateTime

from audio.model.audio_file import ProcessingStatus, Use, columns
from audio.model.details import LABELS
from core.labels import USER_ID_CHARACTERS

Timestamp = Annotated[datetime, AfterValidator(lambda naive: naive.replace(tzinfo=UTC))]


def _field(column: Column[Any]) -> Any:
    """The type of a column's values in an answer."""
    if isinstance(column.type, DateTime):
        return Timestamp | None
    kind = column.type.python_type
    return kind | None if column.nullable else kind


_fields: Any = {column.name: (_field(column), ...) for column in columns(Use.SHOWN)}
_Columns = create_model("_Columns", __config__=ConfigDict(from_attributes=True), **_fields)


class Damaged(BaseModel):
    """How much of a recording's sound could be read: more than 0 and less than 1."""

    model_config = ConfigDict(from_attributes=True)

    readable_share: float


class Recording(_Columns, BaseModel):  # type: ignore[valid-type, misc]  # mypy sees no class in a variable
    """A recording; `title` is what a person calls it, where they have said so.

    `damaged` is null where all of it could be read, or isn't processed yet.
    """

    title: str | None = None
    damaged: Damaged | None = None


class UploadedRecording(Recording):
    """A recording that has just come in."""

    message: str = "File uploaded successfully"


class FoundIn(BaseModel):
    """A text of a recording, or an excerpt of it, and where in it the searched words are: start and end in characters.

    The ranges count Unicode code points.
    """

    model_config = ConfigDict(from_attributes=True)

    field: str
    text: str
    ranges: list[tuple[int, int]]


class FoundRecording(Recording):
    """A recording that a search has found, and what in it matches."""

    highlights: list[FoundIn]


class RecordingPage(BaseModel):
    """Some of the recordings that were asked for, and how many there are; `highlights` come with a search alone."""

    items: list[FoundRecording | Recording]
    total: int
    total_is_exact: bool
    limit: int
    offset: int
    next_cursor: str | None


class LabelsInUse(BaseModel):
    """Every tag and category that some recording bears."""

    tags: list[str]
    categories: list[str]


_labels: Any = {
    column.name: (str | None, Field(default=None, examples=[column.info["example"]])) for column in columns(Use.LABEL)
}
_Labels = create_model("_Labels", __config__=ConfigDict(extra="forbid"), **_labels)


class NewLabels(_Labels, BaseModel):  # type: ignore[valid-type, misc]  # as above
    """Another tag, category or both; what isn't named stays, and null takes away."""


class RecordingChanges(NewLabels):
    """Another title, tag or category; what isn't named stays, and null takes away."""

    title: str | None = Field(default=None, examples=["Interview with the mayor"])


class Message(BaseModel):
    """Says that it was done."""

    message: str


class Transcript(BaseModel):
    """What was said in a recording, as far as it is known."""

    status: ProcessingStatus
    transcript: str | None
    is_improved: bool
    transcription_engine: str | None
    message: str
    error: str | None


class Problem(BaseModel):
    """A refusal, by RFC 9457; docs/errors.md lists each `type` with the fields that it has besides these."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        pattern="^(urn:pegasus:problem:|https://iana.org/assignments/http-problem-types#)[a-z-]+$",
        examples=["urn:pegasus:problem:not-audio"],
    )
    title: str
    status: int
    detail: str


PROBLEM_RESPONSE = {
    "description": "Refused: see docs/errors.md.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": PROBLEM_RESPONSE, "5XX": PROBLEM_RESPONSE}

# `format` is OpenAPI 3.0's word, which generators of clients know; `contentMediaType` is that of 3.1.
BYTES: dict[str, Any] = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": BYTES | {"minLength": 1, "description": "The recording, whose bytes decide its type."},
                        **{name: {"type": "string", "maxLength": limit} for name, limit in LABELS.items()},
                        "user_id": {"type": "string", "maxLength": USER_ID_CHARACTERS},
                    },
                }
            }
        },
    }
}
