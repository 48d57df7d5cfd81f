"""The report of an inspection or a heal, as text and as JSON, with an exit code."""

from dataclasses import dataclass
from typing import Any

from ..location.locate import Location, Verdict
from ..observation.observe import Observation
from ..schema.schema import CONSTRAINTS, Difference, tables_in
from ..tape.tape import BASE, Tape
from .plan import Plan
from .steps import BuildBeside, Commit, Execute, Resume, Stamp, Step, Upgrade, UpgradeAlone, runs_alone

EXIT_CODES = {
    Verdict.CURRENT: 0,
    Verdict.BEHIND: 10,
    Verdict.ADOPTED: 11,
    Verdict.INCOMPLETE: 12,
    Verdict.EMPTY: 13,
    Verdict.DRIFTED: 20,
    Verdict.AMBIGUOUS: 21,
    Verdict.AHEAD: 22,
    Verdict.UNREADABLE: 23,
}


@dataclass(frozen=True)
class Report:
    """A verdict with its plan; `applied` if the plan was carried out and verified, in `seconds`.

    `stays` are the steps that were committed before another one `failed`. `accepted` are the differences that are known
    to be fine, and that the rest says nothing of.
    """

    location: Location
    plan: Plan
    tape: Tape
    observation: Observation
    applied: bool = False
    seconds: float = 0.0
    stays: tuple[Step, ...] = ()
    failed: tuple[Step, ...] = ()
    accepted: tuple[Difference, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict on the database."""
        return self.location.verdict

    @property
    def outcome(self) -> str:
        """`current`, `healed`, `planned`, `refused`, or `failed` if a heal that had begun couldn't be finished."""
        if self.plan.refusal is not None:
            return "failed" if self.stays or self.failed else "refused"
        if self.applied:
            return "healed"
        return "planned" if self.plan.steps else "current"

    @property
    def well(self) -> bool:
        """Whether the schema now equals the end of the tape."""
        return self.outcome in ("healed", "current")

    @property
    def serves(self) -> bool:
        """Whether this code works on the database as it is now; it may be slower than it should be."""
        on_record = self.location.claimed == self.tape.heads
        return self.well or (on_record and not self.location.breaking and not self.location.readings)

    @property
    def exit_code(self) -> int:
        """0 when all is well now, else the verdict's own."""
        return 0 if self.well else EXIT_CODES[self.verdict]

    def __str__(self) -> str:
        """The report in words."""
        lines = [f"{self.verdict}: {self._sentence()}"]
        lines += [f"  {item}" for item in self._differences()]
        refusal = self.plan.refusal
        if refusal is not None:
            lines += self._what_became()
            lines.append(
                f"{'Refused; nothing was changed' if self.outcome == 'refused' else 'The reason'}: {refusal.reason}."
            )
            lines += ["To go on, one of these may help:"] * bool(refusal.remedies)
            lines += [f"  {remedy}" for remedy in refusal.remedies]
        elif self.plan.steps:
            lines.append("Done:" if self.applied else "To do:")
            lines += [f"  {step}" for step in self.plan.steps]
        lines += [f"Note: {note}." for note in self.plan.notes]
        if self.accepted:
            which = "1 difference is" if len(self.accepted) == 1 else f"{len(self.accepted)} differences are"
            lines.append(f"Note: {which} known to be fine: --json names them.")
        if self.tape.until:
            lines.append(
                f"Note: what comes after {self.tape.until} isn't on the tape; `alembic upgrade` alone runs it."
            )
        if self.applied:
            objects = len(self.tape.end)
            but = ", but for those noted, which serve as well" if self.location.tolerated else ""
            lines.append(f"Verified: all {objects} objects are as revision {self.tape.head} makes them{but}.")
        return "\n".join(lines)

    @property
    def matter(self) -> tuple[str, ...]:
        """What is the matter and what is done about it, in lines that are the same for the same trouble elsewhere."""
        refusal = self.plan.refusal
        lines = [f"{self.verdict}: {self._sentence()}", *(f"  {item}" for item in self._differences())]
        if refusal is not None:
            return (*lines, f"  refused: {refusal.reason}")
        return (*lines, *(f"  {step}" for step in self.plan.steps))

    def _what_became(self) -> list[str]:
        """The lines about a failed heal: what stays, and what was running."""
        lines = []
        if self.stays:
            lines.append("Failed; these steps stay done, and the next heal goes on from them:")
            lines += [f"  {step}{self._made_by(step)}" for step in self.stays]
        if self.failed:
            alone = runs_alone(self.failed[0])
            what = "may have left a part of what it does" if alone else "was rolled back"
            lines.append(f"{'This' if self.stays else 'Failed; this'} {what}:")
            lines += [f"  {step}" for step in self.failed]
        return lines

    def _made_by(self, step: Step) -> str:
        """The objects that a committed revision has created."""
        if not isinstance(step, Upgrade | UpgradeAlone | Resume):
            return ""
        made = [
            str(key)
            for statement in self.tape.by_id[step.revision].statements
            for key, effect in statement.effects.items()
            if effect.before is None and key.kind not in ("column", *CONSTRAINTS)
        ]
        return f": {', '.join(made)}" if made else ""

    def _differences(self) -> list[Difference]:
        """The differences; for a missing table, the table alone."""
        gone = tables_in(item.key for item in self.location.missing)
        parts = [item for item in self.location.missing if item.key.relation not in gone]
        whole = [item for item in self.location.missing if item.key.kind == "table"]
        return [*whole, *parts, *self.location.differing, *self.location.unpopulated]

    def _sentence(self) -> str:
        at, head = self.location.at, self.tape.head
        claimed = ", ".join(self.location.claimed or ())
        match self.verdict:
            case Verdict.CURRENT:
                but = " or serves as well" if self.location.tolerated else ""
                return f"the database is at revision {head}, and its schema is what that revision makes{but}."
            case Verdict.AHEAD:
                return f"the revision on record, {claimed}, is not known here; the schema has all of {head}."
            case Verdict.EMPTY:
                return "there is nothing of ours in the database yet."
            case Verdict.BEHIND:
                return f"the database is at revision {at}, as it says; the last one is {head}."
            case Verdict.ADOPTED if not claimed:
                return f"no revision is on record, but the schema is exactly what revision {at} makes."
            case Verdict.ADOPTED:
                return f"the revision on record is {claimed}, but the schema is exactly what revision {at} makes."
            case Verdict.AMBIGUOUS:
                return "it can't be known for sure at which revision the database is."
        if self.location.pending and not self._differences():
            begun = " and ".join(item.revision for item in self.location.pending)
            return f"revision {begun} has begun and isn't finished ({claimed or 'nothing'} is on record)."
        on_record = f"{claimed} is on record" if claimed else "no revision is on record"
        place = "nothing" if at == BASE else f"revision {at}"
        how = "differs from it" if self.verdict is Verdict.DRIFTED else "has parts missing"
        return f"the schema is nearest to {place} ({on_record}), but {how}."

    def as_json(self) -> dict[str, Any]:
        """The report as data for JSON."""
        location, refusal = self.location, self.plan.refusal
        return {
            "verdict": str(self.verdict),
            "outcome": self.outcome,
            "at": location.at,
            "head": self.tape.head,
            "claimed": None if location.claimed is None else list(location.claimed),
            "missing": [_difference(item) for item in location.missing],
            "differing": [_difference(item) for item in (*location.differing, *location.unpopulated)],
            "extra": [_difference(item) for item in location.extra],
            "accepted": [_difference(item) for item in self.accepted],
            "readings": list(location.readings),
            "steps": [_step(step) for step in self.plan.steps],
            "refusal": None if refusal is None else {"reason": refusal.reason, "remedies": list(refusal.remedies)},
            "stays": [_step(step) for step in self.stays],
            "failed": [_step(step) for step in self.failed],
            "notes": list(self.plan.notes),
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
        }


def _difference(item: Difference) -> dict[str, str | None]:
    return {"object": str(item.key), "expected": item.expected, "found": item.actual}


def _step(step: Step) -> dict[str, str]:
    match step:
        case Execute(sql):
            return {"do": "run", "sql": sql}
        case BuildBeside(sql):
            return {"do": "beside", "sql": sql}
        case Stamp(revisions):
            return {"do": "stamp", "revision": ", ".join(revisions) or BASE}
        case Upgrade(revision):
            return {"do": "upgrade", "revision": revision}
        case UpgradeAlone(revision):
            return {"do": "upgrade alone", "revision": revision}
        case Resume(revision, done):
            return {"do": "finish", "revision": revision, "without": ", ".join(map(str, done))}
        case Commit():
            return {"do": "commit"}
