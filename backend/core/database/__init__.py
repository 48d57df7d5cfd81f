"""The way to the database, and what its errors mean."""

from core.database.engine import async_session

__all__ = ["async_session"]
