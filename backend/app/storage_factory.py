"""The storage that the settings name, the same for the server and for the commands."""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.errors import SettingRefused
from core.settings import ROOT, STORAGE, Settings
from storage.contract import StorageUnavailable
from storage.local.storage import LocalStorage
from storage.s3.bucket import Bucket
from storage.s3.signature import Signer
from storage.s3.storage import S3Storage

LOCAL = "local"
OpenedStorage = LocalStorage | S3Storage


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
    return S3Storage(bucket_of(settings, address))


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


def bucket_of(settings: Settings, address: str) -> Bucket:
    """What an address like s3://bucket/prefix names. Raises SettingRefused."""
    parts = urlsplit(address)
    signer = Signer(
        key_id=_given(settings.aws_access_key_id, "AWS_ACCESS_KEY_ID"),
        secret=_given(_text(settings.aws_secret_access_key), "AWS_SECRET_ACCESS_KEY"),
        session_token=_text(settings.aws_session_token),
        region=settings.aws_region,
    )
    endpoint = settings.aws_endpoint_url or f"https://s3.{settings.aws_region}.amazonaws.com"
    return Bucket(bucket=parts.netloc, prefix=parts.path.strip("/"), endpoint=endpoint, signer=signer)


def _given(text: str | None, setting: str) -> str:
    if not text:
        raise SettingRefused(setting, "has no value, and STORAGE is an object store that asks for one")
    return text


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
