"""Runs in the oracle's environment: what PostgreSQL's own parser makes of texts of SQL.

A request is a text as JSON on a line of stdin. The answer is one on stdout: None where the text isn't SQL, else each
statement with whether it moves rows when it is executed.
"""

import json
import sys
from collections.abc import Iterator

from pglast import ast, parse_sql, split
from pglast.error import Error

CHANGES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.TruncateStmt)


def moves_rows(statement: ast.Node) -> bool:
    """Whether a statement, executed, may change rows by its own clauses."""
    match statement:
        case ast.ExplainStmt():
            analyzes = any(option.defname in {"analyze", "analyse"} for option in statement.options or ())
            return analyzes and moves_rows(statement.query)
        case ast.CopyStmt():
            return statement.is_from or (statement.query is not None and moves_rows(statement.query))
        case ast.SelectStmt():
            return any(isinstance(node, CHANGES) for node in nodes(statement))
    return isinstance(statement, CHANGES)


def nodes(value: object) -> Iterator[object]:
    """Everything in a tree."""
    if isinstance(value, ast.Node):
        yield value
        for name in value.__slots__:
            yield from nodes(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from nodes(item)


def judge(sql: str) -> list[tuple[str, bool]] | None:
    """The statements of a text."""
    try:
        trees = parse_sql(sql)
        texts = split(sql, with_parser=True)
    except Error:
        return None
    return [(text, moves_rows(tree.stmt)) for text, tree in zip(texts, trees, strict=True)]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line))), flush=True)
