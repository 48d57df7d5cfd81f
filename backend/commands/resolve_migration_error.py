"""Heals a database whose tables and Alembic's record disagree: `type "processingstatus" already exists`, and its kin.

It does what every start of the server does, and says what it found, what it did, and that the result was compared.
"""

from app.schema_healing import heal_database
from core.settings import Settings


async def resolve(settings: Settings) -> int:
    report = await heal_database(settings)
    print(f"{'✅' if report.well else '❌'} {report}")
    return report.exit_code
