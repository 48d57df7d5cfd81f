"""The object store that an address like s3://bucket/prefix names, with the settings that are for it."""

from urllib.parse import urlsplit

from pydantic import SecretStr

from core.errors import SettingRefused
from core.settings import Settings
from storage.s3.bucket import Bucket
from storage.s3.signature import Signer
from storage.s3.storage import S3Storage


def s3_storage(settings: Settings, address: str) -> S3Storage:
    """The storage in a bucket. Raises SettingRefused."""
    return S3Storage(bucket_of(settings, address))


def bucket_of(settings: Settings, address: str) -> Bucket:
    """What an address like s3://bucket/prefix names. Raises SettingRefused."""
    parts = urlsplit(address)
    signer = Signer(
        key_id=_required(settings.aws_access_key_id, "AWS_ACCESS_KEY_ID"),
        secret=_required(_text(settings.aws_secret_access_key), "AWS_SECRET_ACCESS_KEY"),
        session_token=_text(settings.aws_session_token),
        region=settings.aws_region,
    )
    endpoint = settings.aws_endpoint_url or f"https://s3.{settings.aws_region}.amazonaws.com"
    return Bucket(bucket=parts.netloc, prefix=parts.path.strip("/"), endpoint=endpoint, signer=signer)


def _required(text: str | None, setting: str) -> str:
    if not text:
        raise SettingRefused(setting, "has no value, and STORAGE is an object store that asks for one")
    return text


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
