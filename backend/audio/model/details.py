"""What a client says about its recording: one value on its way from a form, an upload's metadata or a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import String

from audio.model.audio_file import Use, columns
from audio.model.duplicates import checked_policy
from audio.model.file_names import file_name
from core.labels import label, user_label

# The names of the columns that clients label their recordings with, and how many characters each takes.
LABELS = {column.name: cast("int", cast("String", column.type).length) for column in columns(Use.LABEL)}


@dataclass(frozen=True, kw_only=True)
class Details:
    """A file's name, the user whose recording it is, its labels, by the names of their columns, and a DuplicatePolicy.

    The policy is for bytes that are there already.
    """

    original_filename: str | None = None
    user_id: str | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    duplicates: str | None = None

    def or_else(self, other: "Details") -> "Details":
        """These values, and those of `other` where there are none."""
        return Details(
            original_filename=self.original_filename or other.original_filename,
            user_id=self.user_id or other.user_id,
            labels={**other.labels, **self.labels},
            duplicates=self.duplicates or other.duplicates,
        )

    def checked(self) -> "Details":
        """The values as they are stored. Raises LabelRefused."""
        return Details(
            original_filename=file_name(self.original_filename),
            user_id=user_label(self.user_id),
            labels=checked_labels(self.labels),
            duplicates=checked_policy(self.duplicates),
        )


def checked_labels(labels: Mapping[str, str | None]) -> dict[str, str | None]:
    """The labels as they are stored; None where nothing is left of one. Raises LabelRefused."""
    return {name: label(name, text, limit=LABELS[name]) for name, text in labels.items()}


def labels_among(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Those of the values that are labels, in the columns' order."""
    return {name: values[name] for name in LABELS if name in values}
