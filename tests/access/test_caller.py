"""What a token lets its bearer see and write, and as whom its uploads are counted."""

from uuid import UUID

import pytest

from access.caller import ANONYMOUS, Caller
from access.upload_rate import TooManyUploads, UploadRate

ADA = Caller(user_id="ada", token_id=UUID(int=1))
ROOT = Caller(user_id="root", admin=True, token_id=UUID(int=2))
STATIC_ADMIN = Caller(admin=True)


@pytest.mark.parametrize(
    ("caller", "named", "seen", "written"),
    [
        (ANONYMOUS, None, None, None),
        (ANONYMOUS, "ben", "ben", "ben"),
        (ADA, None, "ada", "ada"),
        (ADA, "ada", "ada", "ada"),
        (ADA, "ben", "ada", "ada"),
        (ROOT, None, None, "root"),
        (ROOT, "ben", "ben", "ben"),
        (STATIC_ADMIN, None, None, None),
        (STATIC_ADMIN, "ben", "ben", "ben"),
    ],
)
def test_whose(caller: Caller, named: str | None, seen: str | None, written: str | None) -> None:
    """A user's token means its user, whoever is named; an admin and nobody mean whom they name."""
    assert caller.owner_filter(named) == seen
    assert caller.new_owner(named) == written
    assert caller.owner == ("ada" if caller is ADA else None)


def test_counted_together() -> None:
    """A user's tokens count together; without a user each token or address counts alone, an IPv6 /64 as one."""
    assert ADA.rate_limit_key("10.0.0.1") == Caller(user_id="ada").rate_limit_key("10.0.0.2")
    assert ANONYMOUS.rate_limit_key("10.0.0.1") != ANONYMOUS.rate_limit_key("10.0.0.2")
    assert ANONYMOUS.rate_limit_key("2001:db8::1") == ANONYMOUS.rate_limit_key("2001:db8::2")
    assert ANONYMOUS.rate_limit_key("2001:db8::1") != ANONYMOUS.rate_limit_key("2001:db8:0:1::1")
    assert ANONYMOUS.rate_limit_key("unix") == "address unix"
    assert Caller(user_id="address x").rate_limit_key("y") != ANONYMOUS.rate_limit_key("x")


def test_too_many_uploads() -> None:
    """The upload after the limit is refused with a time to wait, and other users go on."""
    rate = UploadRate(per_minute=3)
    for _ in range(3):
        rate.check("ada")
    for _ in range(2):
        with pytest.raises(TooManyUploads) as refused:
            rate.check("ada")
        assert refused.value.limit == 3
        assert 1 <= refused.value.retry_after_seconds <= 60
    rate.check("ben")


def test_no_limit() -> None:
    """With 0 nobody is counted."""
    rate = UploadRate(per_minute=0)
    for _ in range(1000):
        rate.check("ada")
