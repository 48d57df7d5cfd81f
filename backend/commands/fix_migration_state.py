"""Stamps what is really there and applies what is missing, in one transaction; `--stamp-only` only stamps."""

import argparse

from app.schema_healing import heal_database, on_database
from core.settings import Settings
from reconcile.healing.heal import stamp_only


async def fix(settings: Settings) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stamp-only", action="store_true", help="write the revision that the schema is at, and no more"
    )
    if not parser.parse_args().stamp_only:
        report = await heal_database(settings)
        print(f"{'✅' if report.well else '❌'} {report}")
        return report.exit_code
    report = await on_database(settings, stamp_only)
    if report.plan.refusal is not None:
        print(f"❌ {report}")
        return report.exit_code
    print(f"✅ The version on record is now {report.location.at}, where the schema is.")
    for item in report.location.missing:
        print(f"   Still to mend: {item}.")
    return 0
