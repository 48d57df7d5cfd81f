"""What must come of a chain that stopped after some statement, decided from marks written by hand, not from the tape.

Healed where all is known; refused where statements that move rows may or may not have run, or would have to run apart
from their revision.
"""

from dataclasses import dataclass
from typing import Literal

from .chains import Chain

Claim = Literal["the parent", "nothing", "the head", "an unknown id"]
CLAIMS: tuple[Claim, ...] = ("the parent", "nothing", "the head", "an unknown id")
TRACELESS = ".do"
COMPLETABLE = "+."


@dataclass(frozen=True)
class Stop:
    """Where a chain stopped: after `done` statements of the revision of this place in the order of the tape."""

    chain: Chain
    order: tuple[str, ...]
    index: int
    done: int

    @property
    def revision(self) -> str:
        """The revision that was being applied."""
        return self.order[self.index]

    @property
    def marks(self) -> list[str]:
        """Its statements."""
        return self.chain.marks(self.revision)

    @property
    def begun(self) -> bool:
        """Whether anything of it left a trace."""
        return any(mark[0] not in TRACELESS for mark in self.marks[: self.done])

    @property
    def impossible(self) -> bool:
        """Whether rows were moved, and nothing else is there of a revision that runs in one transaction."""
        return not self.begun and any(mark[0] in "do" for mark in self.marks[: self.done])

    @property
    def at_the_end(self) -> bool:
        """Whether every statement of the chain ran."""
        rest = [mark for revision in self.order[self.index + 1 :] for mark in self.chain.marks(revision)]
        return not rest and self.done == len(self.marks)


def healed(stop: Stop, claim: Claim, *, lost_tables: bool) -> bool:
    """Whether the engine must heal; else it must refuse. `lost_tables`: some that it speaks of are gone."""
    match claim:
        case "an unknown id":
            return False
        case "the head":
            return stop.at_the_end or (not lost_tables and _can_move_back(stop) and _known(stop))
        case "the parent" if not stop.begun:
            return True
        case "nothing" if _has_moved_rows(stop):
            return False
    return _known(stop, by_its_own_code=True, next_has_begun=claim != "the parent" or not stop.index)


def _known(stop: Stop, *, by_its_own_code: bool = False, next_has_begun: bool = True) -> bool:
    """Whether the schema alone tells what is still to be run; rows are only moved `by_its_own_code`."""
    marks = stop.marks
    if stop.revision in stop.chain.again and stop.begun:
        return True
    if not stop.begun:
        return stop.index == 0 or _end_is_known(stop, stop.index - 1)
    if stop.done == len(marks):
        return _end_is_known(stop, stop.index, next_has_begun=next_has_begun)
    if all(mark[0] in COMPLETABLE for mark in marks):
        return True
    plain = all(mark in ("+", "-", ".") for mark in marks[stop.done :])
    return not _beside_rows(marks, stop.done) and (plain or by_its_own_code)


def _end_is_known(stop: Stop, index: int, *, next_has_begun: bool = True) -> bool:
    """Whether a revision's end can't be taken for a place before rows were moved, or after the next moved some.

    Where the parent is on record, the next revision can't have begun: Alembic records a revision before that.
    """
    chain, doubtful = stop.chain, []
    for revision in reversed(stop.order[: index + 1]):
        trail = _leading(reversed(chain.marks(revision)))
        doubtful += [] if revision in chain.again else trail
        if len(trail) < len(chain.marks(revision)):
            break
    for revision in stop.order[index + 1 :] if next_has_begun else ():
        trail = _leading(chain.marks(revision))
        if len(trail) < len(chain.marks(revision)):
            break
        doubtful += [] if revision in chain.again else trail
    return not any(mark[0] in "do" for mark in doubtful)


def _has_moved_rows(stop: Stop) -> bool:
    """Whether a revision that is whole, or begun, has moved rows: without a version, what is there doesn't prove it."""
    chain, end = stop.chain, stop.index + (stop.done == len(stop.marks))
    whole = [revision for revision in stop.order[:end] if revision not in chain.again]
    return any(mark[0] in "do" for revision in whole for mark in chain.marks(revision))


def _beside_rows(marks: list[str], done: int) -> bool:
    beside = [*_leading(reversed(marks[:done])), *_leading(marks[done:])]
    return any(mark[0] in "do" for mark in beside)


def _leading(marks: object) -> list[str]:
    found: list[str] = []
    for mark in marks:  # type: ignore[attr-defined]
        if mark[0] not in TRACELESS:
            break
        found.append(mark)
    return found


def _can_move_back(stop: Stop) -> bool:
    """Whether all that would run, though the head on record says that it did, only makes objects."""
    rest = stop.marks[stop.done :] + [
        mark for later in stop.order[stop.index + 1 :] for mark in stop.chain.marks(later)
    ]
    return all(mark[0] in COMPLETABLE for mark in rest)
