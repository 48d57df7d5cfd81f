"""`python -m storage copy`: all recordings of one storage into another, without a database."""

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
    """Copies all finished bytes, proves that they are the same on both sides, and returns the exit code.

    `bar` shows how many bytes of how many were read.
    """
    source, target = (storage_named(settings, name) for name in (options.source, options.target))
    await source.check()
    await target.prepare()
    with bar(await _size_bytes(source.upkeep())) as progress:
        copying = StorageCopier(
            source=source,
            source_upkeep=source.upkeep(),
            target=target,
            target_upkeep=target.upkeep(),
            progress=progress,
        )
        async with aclosing(copying.run()) as found:
            async for failed in found:
                print(json.dumps(asdict(failed)) if options.json else f"{failed.name}: {failed.reason}")
    print(json.dumps(asdict(copying.counts)) if options.json else _summary(copying.counts))
    return 1 if copying.counts.failed else 0


async def _size_bytes(upkeep: Upkeep) -> int:
    size_bytes = 0
    async with aclosing(upkeep.walk()) as batches:
        async for batch in batches:
            size_bytes += sum(found.size_bytes for found in batch)
    return size_bytes


def _summary(counts: CopyCounts) -> str:
    outcome = f"{counts.failed} are not the same on both sides" if counts.failed else "the same on both sides"
    return f"{counts.copied} copied, {counts.there_already} there already: {outcome}."
