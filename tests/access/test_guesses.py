"""Guesses: what is tried as a token is counted where it is none, and holds up nobody whose token is good."""

import asyncio

import pytest

from access.caller import ANONYMOUS, Caller
from access.guess_limit import PER_MINUTE, REMEMBERED, FailedAttempts, TooManyGuesses

ADA = Caller(user_id="ada")
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


async def find(secret: str) -> Caller | None:
    """Everybody's token begins with their name."""
    await asyncio.sleep(0)
    return ADA if secret.startswith("ada") else None


async def guess(guesses: FailedAttempts, count: int, *, address: str = HERE, prefix: str = "wrong") -> None:
    for number in range(count):
        assert await guesses.authenticate(f"{prefix} {number}", address=address, find=find) is None


async def test_a_guess_too_many() -> None:
    """After so many wrong secrets in a minute no new one is tried from that address, right or wrong."""
    guesses = FailedAttempts()
    await guess(guesses, PER_MINUTE)
    for secret in ("wrong at last", "ada's token"):
        with pytest.raises(TooManyGuesses) as refused:
            await guesses.authenticate(secret, address=HERE, find=find)
        assert refused.value.limit == PER_MINUTE
        assert 1 <= refused.value.retry_after_seconds <= 60
    assert await guesses.authenticate("ada's token", address=ELSEWHERE, find=find) is ADA


async def test_who_was_let_in_stays_in() -> None:
    """A token that was good is looked up however many wrong ones come from the same address, as behind a proxy."""
    guesses = FailedAttempts()
    assert await guesses.authenticate("ada's token", address=HERE, find=find) is ADA
    await guess(guesses, PER_MINUTE)
    assert await guesses.authenticate("ada's token", address=HERE, find=find) is ADA


async def test_the_same_wrong_token_is_no_guess() -> None:
    """A client that goes on with a token that was revoked uses up nothing for the others of its address."""
    guesses = FailedAttempts()
    await asyncio.gather(*(guesses.authenticate("revoked", address=HERE, find=find) for _ in range(3 * PER_MINUTE)))
    assert await guesses.authenticate("ada's token", address=HERE, find=find) is ADA


async def test_guesses_at_once_are_counted() -> None:
    """Guesses that come all at once aren't more than those that come one after the other."""
    guesses = FailedAttempts()
    tried = [guesses.authenticate(f"wrong {number}", address=HERE, find=find) for number in range(5 * PER_MINUTE)]
    refused = [answer for answer in await asyncio.gather(*tried, return_exceptions=True) if answer is not None]
    assert len(refused) == 4 * PER_MINUTE
    assert all(isinstance(answer, TooManyGuesses) for answer in refused)


async def test_an_ipv6_household_is_one_address() -> None:
    """Who has a /64 has one address as far as guesses count."""
    guesses = FailedAttempts()
    for number in range(PER_MINUTE):
        await guess(guesses, 1, address=f"2001:db8::{number:x}", prefix=f"wrong {number}")
    with pytest.raises(TooManyGuesses):
        await guess(guesses, 1, address="2001:db8::ffff", prefix="more")
    await guess(guesses, 1, address="2001:db8:0:1::1", prefix="more")


async def test_a_database_that_is_away_uses_up_no_guess() -> None:
    """What couldn't be looked up wasn't wrong."""

    async def away(secret: str) -> Caller | None:
        raise ConnectionError

    guesses = FailedAttempts()
    for number in range(2 * PER_MINUTE):
        with pytest.raises(ConnectionError):
            await guesses.authenticate(f"wrong {number}", address=HERE, find=away)
    await guess(guesses, 1)


async def test_what_is_remembered_has_an_end() -> None:
    """However many tokens are tried, from however many addresses, only the latest are remembered, as hashes."""
    guesses = FailedAttempts()
    for number in range(REMEMBERED + 10):
        await guesses.authenticate(f"ada {number}", address=HERE, find=find)
    assert len(guesses._tried) == REMEMBERED
    assert ANONYMOUS.rate_limit_key(HERE) not in guesses._locks
