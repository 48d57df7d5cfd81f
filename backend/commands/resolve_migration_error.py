"""Heals a database whose tables and Alembic's record disagree: `type "processingstatus" already exists`, and its kin.

It does what every start of the server does, and says what it found, what it did, and that the result was compared.
"""

import argparse

from app.schema_healing import heal_database, preview_heal
from core.settings import Settings


async def resolve(settings: Settings, options: argparse.Namespace) -> int:
    report = await (preview_heal if options.dry_run else heal_database)(settings)
    print(report if options.dry_run else f"{'✅' if report.well else '❌'} {report}")
    return report.exit_code
