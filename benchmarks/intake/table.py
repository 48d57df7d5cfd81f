"""Medians, and ratios pair by pair, as the tables of docs/performance.md."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

from benchmarks.intake.rounds import SlowTrial
from benchmarks.intake.trial import Trial

Measured = TypeVar("Measured")
OURS = "Pegasus"
MIB = 1024**2
HEADS = ("MB/s", "requests/s", "p50", "p99", "CPU s/GiB", "PostgreSQL", "over idle", "Pegasus: speed", "CPU")
SLOW_HEADS = ("p99 alone", "p99 beside", "ratio", "over idle", "slow KiB/s", "turned away")


def speed_table(title: str, rounds: Mapping[str, Sequence[Trial]]) -> str:
    """A line for each contestant; the last two columns compare Pegasus with it, within each round."""
    ours = rounds.get(OURS)
    lines = [_line(title, *HEADS), _ruler(len(HEADS))]
    for name, trials in rounds.items():
        against = [""] * 2
        if ours and name != OURS:
            against = [
                _ratio(ours, trials, lambda trial: trial.megabytes_per_second),
                _ratio(ours, trials, lambda trial: trial.per_gib(trial.server_cpu_seconds)),
            ]
        lines.append(_line(name, *_figures(trials), *against))
    return "\n".join([*lines, *_failures(rounds), _client(rounds)])


def _figures(trials: Sequence[Trial]) -> list[str]:
    return [
        f"{_median(trials, lambda trial: trial.megabytes_per_second):.0f}",
        f"{_median(trials, lambda trial: trial.requests_per_second):.1f}",
        _milliseconds(_median(trials, lambda trial: trial.p50_seconds)),
        _milliseconds(_median(trials, lambda trial: trial.p99_seconds)),
        f"{_median(trials, lambda trial: trial.per_gib(trial.server_cpu_seconds)):.2f}",
        f"{_median(trials, lambda trial: trial.per_gib(trial.database_cpu_seconds)):.2f}",
        _mib(max(trial.peak_over_idle_bytes for trial in trials)),
    ]


def slow_table(title: str, rounds: Mapping[str, Sequence[SlowTrial]]) -> str:
    """A line for each contestant: the fast client's times alone and beside the slow ones."""
    lines = [_line(title, *SLOW_HEADS), _ruler(len(SLOW_HEADS))]
    for name, trials in rounds.items():
        lines.append(
            _line(
                name,
                _milliseconds(_median(trials, lambda trial: trial.alone.p99_seconds)),
                _milliseconds(_median(trials, lambda trial: trial.beside.p99_seconds)),
                f"{_median(trials, lambda trial: trial.beside.p99_seconds / trial.alone.p99_seconds):.2f}",
                _mib(max(trial.beside.peak_over_idle_bytes for trial in trials)),
                f"{_median(trials, lambda trial: trial.slow_bytes_per_second / 1024):.0f}",
                str(max(trial.turned_away for trial in trials)),
            )
        )
    both = {name: [one for trial in trials for one in (trial.alone, trial.beside)] for name, trials in rounds.items()}
    return "\n".join([*lines, *_failures(both)])


def _client(rounds: Mapping[str, Sequence[Trial]]) -> str:
    """How much the client used itself, so that everybody sees that it wasn't what was measured."""
    trials = [trial for found in rounds.values() for trial in found]
    gib = _median(trials, lambda trial: trial.per_gib(trial.client_cpu_seconds))
    request = _median(trials, lambda trial: trial.client_cpu_seconds / trial.taken)
    busiest = max(trial.client_cpu_seconds / trial.seconds for trial in trials)
    return (
        f"\nThe client itself used {gib:.2f} CPU s/GiB, {request * 1000:.3f} ms a request,"
        f" and was busy for at most {busiest:.0%} of a trial."
    )


def _failures(rounds: Mapping[str, Sequence[Trial]]) -> list[str]:
    """What wasn't taken, by HTTP status (0: the connection broke, or the time was over)."""
    return [
        f"\n{name} didn't take all: {[trial.not_taken for trial in trials if trial.not_taken]}"
        for name, trials in rounds.items()
        if any(trial.not_taken for trial in trials)
    ]


def _median(trials: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return median(map(figure, trials))


def _ratio(ours: Sequence[Trial], theirs: Sequence[Trial], figure: Callable[[Trial], float]) -> str:
    """The median of the ratios within each round: what disturbs a round disturbs both."""
    pairs = [(figure(a), figure(b)) for a, b in zip(ours, theirs, strict=True)]
    # The kernel counts CPU time in hundredths of a second; a rival may have used less.
    return f"{median(a / b for a, b in pairs):.2f}" if all(b for _, b in pairs) else ""


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ruler(columns: int) -> str:
    return f"|---|{'---:|' * columns}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"
