"""Finds out from the rows whether a statement that moves rows has run.

The schema that a half-applied revision has left doesn't show whether its INSERT or UPDATE ran. The rows often do: a
table of the revision is empty, or a column that it added is NULL in every row. What the rows don't prove isn't guessed.
The queries change nothing, call no functions of others, and are bounded in time.
"""

from .examine import examine, examine_read
from .finding import Finding

__all__ = ["Finding", "examine", "examine_read"]
