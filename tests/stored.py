"""A look behind the storage that settings name, at what it really keeps."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.object_store import bucket_of
from core.settings import Settings
from storage.s3.bucket import Bucket
from tests.object_store import names_in


@dataclass(frozen=True)
class Stored:
    """What lies in a storage, whether that is a folder or a bucket."""

    settings: Settings

    def read(self, name: str) -> bytes:
        """The bytes under a name."""
        return self._root.joinpath(name).read_bytes() if self._is_local else self._bucket.get(name)

    def remove(self, name: str) -> None:
        """Loses the bytes under a name."""
        if self._is_local:
            self._root.joinpath(name).unlink()
        else:
            self._bucket.delete(name)

    def sizes(self) -> dict[str, int]:
        """The name of everything that is kept, with its size, but not what storage knows of itself."""
        if self._is_local:
            files: dict[str, int] = {}
            for path in self._root.rglob("*"):
                with suppress(FileNotFoundError):  # a server at work gives files other names
                    if path.is_file():
                        files[str(path.relative_to(self._root))] = path.stat().st_size
            return {name: size for name, size in files.items() if not name.startswith(".pegasus/")}
        return names_in(self._bucket)

    @property
    def _is_local(self) -> bool:
        return self.settings.storage == "local"

    @property
    def _root(self) -> Path:
        return self.settings.storage_root

    @property
    def _bucket(self) -> Bucket:
        return bucket_of(self.settings, self.settings.storage)


def storage_environment(settings: Settings) -> dict[str, str]:
    """What tells another process of the same storage."""
    if settings.storage == "local":
        return {"AUDIO_STORAGE_PATH": str(settings.storage_root)}
    assert settings.aws_secret_access_key is not None
    return {
        "STORAGE": settings.storage,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url or "",
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
    }
