"""A recording's columns are described once; what is inserted, announced, shown and kept in manifests follows."""

from api.schemas import Recording
from audio.model.audio_file import AudioFile, Use, columns
from audio.model.manifest import Manifest


def names(use: Use) -> set[str]:
    """The names of the columns with a use."""
    return {column.name for column in columns(use)}


def test_every_column_says_what_becomes_of_it() -> None:
    """A column without a use would be written and never read again."""
    assert all(column.info["use"] for column in AudioFile.__table__.columns)


def test_where_the_bytes_lie_stays_inside() -> None:
    """Neither answers nor events nor manifests have the path in storage."""
    for use in (Use.SHOWN, Use.ANNOUNCED, Use.IN_MANIFEST):
        assert "file_path" not in names(use)
    assert set(Recording.model_fields) == names(Use.SHOWN) | {"damaged", "title"}


def test_a_row_can_be_made_again_from_its_manifest() -> None:
    """Whatever an upload brings is in the manifest, but for the place that the manifest's own name tells."""
    assert names(Use.INSERTED) - names(Use.IN_MANIFEST) == {"file_path"}
    assert {"uploaded_at", "size_bytes", "sha256"} <= set(Manifest.model_fields)
