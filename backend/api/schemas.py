"""The models of requests and responses. A recording has its columns' names, without its path in storage."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator
from sqlalchemy import Column, DateTime

from audio.library.bulk import LARGEST
from audio.library.cursor import LONGEST as LONGEST_CURSOR
from audio.model.audio_file import AudioFile, ProcessingStatus, Use, columns, values_of
from audio.model.details import LABELS
from audio.model.duplicates import DUPLICATES, DuplicatePolicy, Original
from core.labels import USER_ID_CHARACTERS

Timestamp = Annotated[datetime, AfterValidator(lambda naive: naive.replace(tzinfo=UTC))]


def _field(column: Column[Any]) -> Any:
    """The type of a column's values in an answer."""
    if isinstance(column.type, DateTime):
        return Timestamp | None
    kind = column.type.python_type
    return kind | None if column.nullable else kind


EXAMPLE_ID = UUID("6f1c2a34-5d0e-4c1f-9a53-0f9d8f1c7b21")
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


class Duplicated(BaseModel):
    """The recording that was there with the same bytes."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str | None
    original_filename: str | None
    uploaded_at: datetime | None


class UploadedRecording(Recording):
    """A recording that has just come in, and the first one with the same bytes: of the same id where none was added."""

    message: str = "File uploaded successfully"
    duplicate_of: Duplicated | None = None

    @classmethod
    def of(cls, recording: AudioFile, original: Original | None) -> Self:
        """The answer to an upload."""
        uploaded = cls.model_validate(values_of(recording, Recording.model_fields))
        uploaded.duplicate_of = None if original is None else Duplicated.model_validate(original)
        return uploaded


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


class Wording(BaseModel):
    """Another wording of a transcript; null: none."""

    text: str | None = Field(examples=["Please send the report before Friday."])


class SpeakerNames(BaseModel):
    """The names of those who speak in a transcript, by what its segments call them."""

    speakers: dict[str, str] = Field(max_length=100, examples=[{"1": "Ada", "2": "Ben"}])


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


class RecordingFilter(BaseModel):
    """Selects recordings as the parameters of a list do; it names one of them at least."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    user_id: str | None = Field(default=None, examples=["ada"])
    status: ProcessingStatus | None = Field(default=None, examples=["failed"])
    tag: str | None = Field(default=None, examples=["Work"])
    category: str | None = Field(default=None, examples=["Meeting"])
    q: str | None = Field(default=None, examples=["red bicycle"])

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        texts = (self.user_id, self.tag, self.category, self.q)
        if self.status is None and not any(text and text.strip(" ") for text in texts):
            raise ValueError("A filter that names nothing would select all recordings")
        return self


class BulkChange(BaseModel):
    """A change of many recordings, by `ids` or by a `filter`: exactly one of them. `change` sets the labels `changes`.

    `cursor` is the `next_cursor` of the answer before, for the same filter.
    """

    model_config = ConfigDict(extra="forbid")

    action: Literal["delete", "retry", "change"]
    ids: list[UUID] | None = Field(default=None, min_length=1, max_length=LARGEST, examples=[[EXAMPLE_ID]])
    filter: RecordingFilter | None = None
    changes: NewLabels | None = None
    cursor: str | None = Field(default=None, max_length=LONGEST_CURSOR)

    @model_validator(mode="after")
    def _is_unambiguous(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("Either ids or a filter says which recordings are changed")
        if bool(self.changes and self.changes.model_fields_set) != (self.action == "change"):
            raise ValueError("What is changed is said by changes, with the action change alone")
        if self.cursor is not None and self.filter is None:
            raise ValueError("A cursor is a filter's")
        return self


class RefusedChange(BaseModel):
    """A recording that wasn't changed, and why."""

    id: UUID
    problem: Problem


class BulkOutcome(BaseModel):
    """What became of each recording, by its id: it was changed, was so already, isn't there, or couldn't be changed.

    A filter that selects more goes on from `next_cursor`; null says that all are done.
    """

    changed: list[UUID]
    unchanged: list[UUID]
    missing: list[UUID]
    refused: list[RefusedChange]
    next_cursor: str | None


class LabelRenaming(BaseModel):
    """Another text for a tag or a category; one that is in use already is then that of all, and null takes it away."""

    model_config = ConfigDict(extra="forbid")

    label: Literal[*LABELS] = Field(examples=["tag"])  # type: ignore[valid-type]  # the columns' names
    old: str = Field(alias="from", pattern="[^ ]", examples=["Work"])
    new: str | None = Field(alias="to", examples=["Job"])


class RenamedRecordings(BaseModel):
    """How many recordings have another label now."""

    changed: int


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
                        DUPLICATES: {"type": "string", "enum": list(DuplicatePolicy)},
                    },
                }
            }
        },
    }
}
