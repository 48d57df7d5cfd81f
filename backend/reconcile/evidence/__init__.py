"""evidence: where the rows themselves prove whether a statement that moves rows has run.

A half-applied revision leaves its schema behind, and whether its INSERT or UPDATE ran can't be seen in that. In the
rows it often can: the table that it made is empty, the column that it added is NULL in every row. What the rows
don't prove is not guessed at. Nothing is changed, nothing of others is run, and nothing takes long.
"""

from reconcile.evidence.examine import examine, examine_read
from reconcile.evidence.finding import Finding

__all__ = ["Finding", "examine", "examine_read"]
