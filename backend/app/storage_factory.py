"""The storage that the settings name, the same for the server and for the commands."""

import re
from typing import TYPE_CHECKING, TypeAlias

from core.errors import SettingRefused
from core.settings import ROOT, STORAGE, Settings
from storage.contract import StorageUnavailable
from storage.local.storage import LocalStorage

if TYPE_CHECKING:
    from storage.s3.storage import S3Storage

LOCAL = "local"
OpenedStorage: TypeAlias = "LocalStorage | S3Storage"


def open_storage(settings: Settings) -> OpenedStorage:
    """The storage that STORAGE names. Raises SettingRefused."""
    return storage_named(settings, settings.storage)


def storage_named(settings: Settings, name: str) -> OpenedStorage:
    """The storage called local, s3 (the one that STORAGE names) or s3://bucket/prefix. Raises SettingRefused."""
    if name == LOCAL:
        return local_storage(settings)
    address = settings.storage if name == "s3" else name
    if not re.fullmatch(STORAGE, address) or address == LOCAL:
        raise SettingRefused("STORAGE", "names no bucket, as s3://bucket/prefix would")
    from app.object_store import s3_storage  # noqa: PLC0415 - two HTTP clients, which no folder needs

    return s3_storage(settings, address)


async def prepare_storage(settings: Settings) -> None:
    """Returns when the storage can be used; a folder is made where it isn't there yet. Raises SettingRefused."""
    try:
        await open_storage(settings).prepare()
    except StorageUnavailable as error:
        if settings.storage == LOCAL:
            reason = f"names a folder that can't be used, {settings.storage_root}: {error.reason}"
            raise SettingRefused("AUDIO_STORAGE_PATH", reason) from error
        raise SettingRefused("STORAGE", f"names a bucket that can't be used: {error.reason}") from error


def local_storage(settings: Settings) -> LocalStorage:
    """Old deployments were run from the project's root or from `backend/`, and their rows count from there."""
    return LocalStorage(settings.storage_root, old_roots=(ROOT, ROOT / "backend"))
