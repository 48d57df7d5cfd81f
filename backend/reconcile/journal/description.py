"""An entry of the journal in words."""

from typing import Any


def describe(row: dict[str, Any]) -> list[str]:
    """The lines for a row of `Journal.history`: what was found and how it ended, each step, and what went wrong."""
    took = "" if row["seconds"] is None else f" in {row['seconds']:.2f} s"
    lines = [f"{row['verdict']} at {row['located']}: {row['outcome']}, to {row['head']}{took}"]
    lines += [f"{step['do']:13} {step.get('sql') or step.get('revision')}" for step in row["plan"]]
    lines += [f"not finished: {row['unfinished']}"] * bool(row["unfinished"])
    lines += [row["reason"]] * bool(row["reason"])
    return lines
