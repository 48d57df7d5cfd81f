"""Creates the tables directly from the models, without Alembic, as the first deployments of Pegasus did.

Nothing needs this: the server creates and heals its tables itself. It adopts such a database at the next start.
"""

import asyncio

from audio.model.audio_file import Base
from core.database.engine import database_address, explained, open_single_use_engine
from core.settings import Settings


async def init_db(settings: Settings) -> int:
    address = await asyncio.to_thread(database_address, settings)
    engine = open_single_use_engine(address, pooled=True)
    try:
        with explained(address):
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
    finally:
        await engine.dispose()
    print("✅ The tables are there.")
    print("   Alembic has no record of it: python3 resolve_migration_error.py or the next start will see to that.")
    return 0
