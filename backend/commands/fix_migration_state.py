"""Stamps what is really there and applies what is missing, in one transaction; `--stamp-only` only stamps."""

import argparse

from app.schema_healing import on_database
from commands.resolve_migration_error import resolve
from core.settings import Settings
from reconcile.healing.heal import stamp_only
from reconcile.inspection.inspect import inspect

STAMP_ONLY = ("--stamp-only", "write the revision that the schema is at, and no more")


async def fix(settings: Settings, options: argparse.Namespace) -> int:
    if not options.stamp_only:
        return await resolve(settings, options)
    report = await on_database(settings, inspect if options.dry_run else stamp_only)
    if report.plan.refusal is not None:
        print(f"❌ {report}")
        return report.exit_code
    on_record = "would be" if options.dry_run else "is now"
    print(f"✅ The version on record {on_record} {report.location.at}, where the schema is.")
    for item in report.location.missing:
        print(f"   Still to mend: {item}.")
    return 0
