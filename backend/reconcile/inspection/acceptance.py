"""Takes differences that are known to be fine out of an observation, so that only what is new is told."""

from collections.abc import Collection
from dataclasses import replace

from ..differences.normalize import Normalized
from ..location.locate import Location
from ..observation.observe import Observation
from ..schema.schema import Difference


def differences_of(location: Location) -> tuple[Difference, ...]:
    """All that differs at a location, whatever it means."""
    return (*location.missing, *location.differing, *location.tolerated, *location.extra)


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
