"""Takes differences that are known to be fine out of an observation, so that only what is new is told."""

from collections.abc import Collection
from dataclasses import replace

from ..differences.normalize import Normalized
from ..location.locate import Location, others_on
from ..observation.observe import Observation
from ..schema.schema import Difference
from ..tape.tape import Tape


def differences_of(location: Location) -> tuple[Difference, ...]:
    """All that differs at a location, whatever it means."""
    return (*location.missing, *location.differing, *location.tolerated, *location.extra)


def apart_from_end(observation: Observation, words: Normalized, tape: Tape) -> tuple[Difference, ...]:
    """All that differs from the end of the tape, wherever the database is."""
    end, ours = tape.end, words.ours
    keys = [key for key in {**end, **ours} if end.get(key) != ours.get(key)]
    ours_apart = (Difference(key, end.get(key), ours.get(key)) for key in keys)
    return (*ours_apart, *others_on(tape, observation, words))


def made_by_models(observation: Observation, words: Normalized, tape: Tape) -> tuple[Difference, ...]:
    """What the models make otherwise, where they have made the database: all of that differs here as well.

    Where they only leave something out, that is no sign: a database before the end lacks it, too.
    """
    differs = tape.models_differ
    if not differs or not set(differs).issubset(apart_from_end(observation, words, tape)):
        return ()
    is_sign = any(item.actual is not None for item in differs)
    return differs if is_sign or as_accepted(observation, words, differs)[1].ours == tape.end else ()


def as_accepted(
    observation: Observation, words: Normalized, accepted: Collection[Difference]
) -> tuple[Observation, Normalized]:
    """The observation, and its normalized form, as if the objects in question were as the tape makes them."""
    ours = dict(words.ours)
    for item in accepted:
        if item.expected is not None:
            ours[item.key] = item.expected
        else:
            ours.pop(item.key, None)
    others = {item.key for item in accepted if item.expected is None}
    schema = {key: text for key, text in observation.schema.items() if key not in others}
    return replace(observation, schema=schema), replace(words, ours=ours)
