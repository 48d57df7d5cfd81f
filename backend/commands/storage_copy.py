"""`python -m storage copy`: copies all recordings of one storage into another, without a database."""

import argparse
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import asdict

from app.storage_factory import storage_named
from core.settings import Settings
from storage.copying import CopyCounts, StorageCopier
from storage.upkeep import Upkeep

Bar = Callable[[int], AbstractContextManager[Callable[[int], object]]]


async def copy(options: argparse.Namespace, settings: Settings, *, bar: Bar) -> int:
    """Copies all finished bytes, compares both sides, and returns the exit code.

    `bar` makes a progress bar for a total in bytes.
    """
    source, target = (storage_named(settings, name) for name in (options.source, options.target))
    await source.check()
    await target.prepare()
    with bar(await _size_bytes(source.upkeep())) as progress:
        copier = StorageCopier(
            source=source,
            source_upkeep=source.upkeep(),
            target=target,
            target_upkeep=target.upkeep(),
            progress=progress,
        )
        async with aclosing(copier.run()) as failures:
            async for failure in failures:
                print(json.dumps(asdict(failure)) if options.json else f"{failure.name}: {failure.reason}")
    print(json.dumps(asdict(copier.counts)) if options.json else _summary(copier.counts))
    return 1 if copier.counts.failed else 0


async def _size_bytes(upkeep: Upkeep) -> int:
    size_bytes = 0
    async with aclosing(upkeep.walk()) as batches:
        async for batch in batches:
            size_bytes += sum(stored.size_bytes for stored in batch)
    return size_bytes


def _summary(counts: CopyCounts) -> str:
    outcome = f"{counts.failed} are not the same on both sides" if counts.failed else "the same on both sides"
    return f"{counts.copied} copied, {counts.there_already} there already: {outcome}."
