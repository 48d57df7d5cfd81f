"""Imports structlog without rich, which would take a twentieth of a start to draw tracebacks that we don't use.

Another library of ours installs rich, and structlog takes what it finds.
"""

from core.hidden_modules import hidden

with hidden("rich"):
    import structlog  # noqa: F401
