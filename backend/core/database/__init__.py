"""Database engines and sessions, and the mapping of their errors."""

from core.database.engine import async_session

__all__ = ["async_session"]
