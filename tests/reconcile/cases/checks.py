"""Runs a case through the command line, and checks that it ends as is right."""

from collections import Counter
from contextlib import ExitStack

from .bare import Ran
from .case import Case, Outcome, Step
from .databases import EMPTY, SUPERUSER
from .trial import Bench, Trial
from .ways import follow, ways_in


def run(case: Case, bench: Bench) -> None:
    """Runs a case to its end."""
    with ExitStack() as stack:
        role = SUPERUSER if case.role == "superuser" else stack.enter_context(bench.server.role())
        template, steps = beginning(case, bench)
        owner = role if case.role == "owner" else SUPERUSER
        made = bench.server.database(template=template, owner=owner, encoding=case.encoding)
        trial = Trial(case, bench, stack.enter_context(made), role)
        trial.write_project()
        recorded, tape = recording(case, bench)
        if not case.recordable:
            check_not_recorded(trial, recorded)
            return
        assert recorded.returncode == 0, recorded.stdout + recorded.stderr
        (trial.folder / "tape.json").write_text(tape)
        if template == EMPTY:
            trial.load_base()
        for step in steps:
            trial.take(step)
        check(trial)


def beginning(case: Case, bench: Bench) -> tuple[str, tuple[Step, ...]]:
    """A database to copy and the steps that come then: the first upgrade is the same in many a form of a chain."""
    first, *others = case.steps or (None,)
    if first is None or first.by != "alembic" or case.role != "superuser" or case.encoding != "UTF8":
        return EMPTY, case.steps
    key = case.chain, first
    if key not in bench.beginnings:
        trial = Trial(case, bench, bench.kept.enter_context(bench.server.database()))
        trial.write_project()
        trial.load_base()
        trial.take(first)
        bench.beginnings[key] = trial.database
    return bench.beginnings[key], tuple(others)


def recording(case: Case, bench: Bench) -> tuple[Ran, str]:
    """How `record` ends, called beside a database that stays empty, and the tape; of equal chains the first."""
    if case.chain not in bench.tapes:
        with bench.server.database() as beside:
            trial = Trial(case, bench, beside)
            trial.write_project()
            before = trial.picture()
            recorded = trial.call("record", *(("--base", "base.sql") if case.base else ()))
            tape = trial.folder / "tape.json"
            assert trial.picture() == before, "recording has left something"
            bench.tapes[case.chain] = recorded, tape.read_text() if tape.exists() else ""
    return bench.tapes[case.chain]


def check_not_recorded(trial: Trial, recorded: Ran) -> None:
    """A chain that can't be dealt with is refused when it is recorded, in words, and then not healed either."""
    said = recorded.stdout + recorded.stderr
    assert recorded.returncode != 0, said
    check_words(trial.case, said)
    before = trial.picture()
    assert trial.call("heal").returncode != 0, trial.words
    assert trial.picture() == before


def check(trial: Trial) -> None:
    """Looks, heals, and checks what came of it."""
    case, before = trial.case, trial.picture()
    looked = trial.call("status")
    assert trial.picture() == before, "a look has changed something"
    healed = trial.call("heal")
    check_words(case, trial.words)
    unchanged = trial.picture() == before
    outcome: Outcome = "refused" if healed.returncode else "current" if unchanged else "healed"
    assert {outcome, "told"} & {*case.right, *_done_before(case)}, f"{outcome}:\n{trial.words}"
    match outcome:
        case "current":
            assert looked.returncode == 0, trial.words
            check_outline(trial)
        case "healed":
            check_head(trial)
        case "refused" if "told" not in case.right:
            assert unchanged, f"refused, and something has changed:\n{trial.words}"
            check_ways(trial)
            return
    check_after(trial)


def _done_before(case: Case) -> set[Outcome]:
    """What a heal finds that has been healed in a step."""
    return {"current"} if any(step.by == "heal" for step in case.steps) and "healed" in case.right else set()


def check_words(case: Case, said: str) -> None:
    """What must be said is, and what must not isn't."""
    for word in case.says:
        assert word in said, f"not said: {word}\n{said}"
    for word in case.never:
        assert word not in said, f"said: {word}\n{said}"


def check_head(trial: Trial) -> None:
    """The database is at the head and holds what plain Alembic makes."""
    looked = trial.call("status")
    assert (looked.returncode, looked.stdout[:8]) == (0, "current:"), trial.words
    check_outline(trial)


def check_outline(trial: Trial) -> None:
    """What the database holds is what plain Alembic makes, and what others have made beside it."""
    if trial.case.holds == "any" or "current" in trial.case.right:
        return
    expected, now = outline(trial.case, trial.bench), trial.bench.server.outline(trial.database)
    assert not expected - now, f"missing: {expected - now}\n{trial.words}"
    assert trial.case.holds == "more" or not now - expected, f"too much: {now - expected}\n{trial.words}"


def outline(case: Case, bench: Bench) -> Counter[str]:
    """The outline of what plain Alembic makes of the chain."""
    if case.chain not in bench.outlines:
        with bench.server.database() as fresh:
            trial = Trial(case, bench, fresh)
            trial.write_project()
            trial.load_base()
            trial.alembic("upgrade", "head")
            bench.outlines[case.chain] = bench.server.outline(fresh)
    return bench.outlines[case.chain]


def check_after(trial: Trial) -> None:
    """What must hold in the end, does."""
    for query, answer in trial.case.after.items():
        now = trial.bench.server.value(query, database=trial.database)
        assert now == answer, f"{query}: {now}, not {answer}\n{trial.words}"


def check_ways(trial: Trial) -> None:
    """Each way on that the refusal names leads, followed to the letter, to a database that is healed."""
    ways = ways_in(trial.call("heal", "--json"))
    assert len(ways) >= trial.case.ways, f"too few ways on:\n{trial.words}"
    for way in ways:
        with trial.copied() as copy:
            follow(copy, way)
            if way.assumed in ("", trial.case.truth):
                check_head(copy)
                check_after(copy)
            else:  # whoever vouches for what isn't so gets what they say
                assert copy.call("status").returncode == 0, copy.words
