"""Reads the names in an expression or a query, if it calls only harmless functions.

These are functions of PostgreSQL's own that read only their arguments and change nothing. Whether a name really refers
to PostgreSQL's function has to be looked up in the catalogs.
"""

from dataclasses import dataclass
from itertools import pairwise

from .lexer import Lexeme, outside_parentheses, significant
from .names import unquoted


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KEYWORDS = _words("""
    ALL AND ANY ARRAY AS ASC AT BETWEEN BOTH BY CASE CAST COALESCE CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
    DESC DISTINCT ELSE END ESCAPE EXCEPT EXISTS EXTRACT FALSE FETCH FILTER FIRST FROM FULL GREATEST GROUP HAVING
    ILIKE IN INNER INTERSECT IS ISNULL JOIN LAST LATERAL LEADING LEAST LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP
    NATURAL NEXT NOT NOTNULL NULL NULLIF NULLS OFFSET ON ONLY OR ORDER OUTER OVER OVERLAY PARTITION PLACING POSITION
    PRECISION RIGHT ROW ROWS SELECT SIMILAR SOME SUBSTRING SYMMETRIC THEN TO TRAILING TRIM TRUE UNION UNKNOWN USING
    VALUES VARYING WHEN WHERE WITH WITHOUT ZONE
""")
_NEVER = _words("COLLATE DEFAULT DELETE FOR INSERT INTO MERGE OPERATOR TABLE TABLESAMPLE UPDATE")  # else no name
_TYPES = _words("""
    BIGINT BIT BOOL BOOLEAN BPCHAR BYTEA CHAR CHARACTER CIDR DATE DECIMAL DOUBLE FLOAT FLOAT4 FLOAT8 INET INT INT2
    INT4 INT8 INTEGER INTERVAL JSON JSONB NUMERIC REAL SMALLINT TEXT TIME TIMESTAMP TIMESTAMPTZ TIMETZ UUID VARCHAR
""")
_FUNCTIONS = _words("""
    ABS AGE ARRAY_AGG ARRAY_APPEND ARRAY_LENGTH ARRAY_POSITION ARRAY_REMOVE ARRAY_TO_STRING ASCII AVG BOOL_AND
    BOOL_OR BTRIM CARDINALITY CEIL CEILING CHARACTER_LENGTH CHAR_LENGTH CHR CONCAT CONCAT_WS COUNT DATE_PART
    DATE_TRUNC DECODE DENSE_RANK DIV ENCODE FLOOR FORMAT GENERATE_SERIES INITCAP JSONB_AGG JSONB_ARRAY_ELEMENTS
    JSONB_ARRAY_LENGTH JSONB_BUILD_ARRAY JSONB_BUILD_OBJECT JSONB_SET JSONB_TYPEOF JSON_AGG JSON_BUILD_ARRAY
    JSON_BUILD_OBJECT LENGTH LOWER LPAD LTRIM MAKE_DATE MAKE_INTERVAL MAX MD5 MIN MOD NOW OCTET_LENGTH POWER RANK
    REGEXP_REPLACE REPEAT REPLACE REVERSE ROUND ROW_NUMBER RPAD RTRIM SHA256 SIGN SPLIT_PART SQRT STARTS_WITH
    STATEMENT_TIMESTAMP STRING_AGG STRING_TO_ARRAY STRPOS SUBSTR SUM TIMEZONE TO_CHAR TO_DATE TO_JSON TO_JSONB
    TO_NUMBER TO_TIMESTAMP TRANSACTION_TIMESTAMP TRANSLATE TRUNC UNNEST UPPER
""")
_OPERATORS = _words("+ - * / ^ = <> != < > <= >= || :: ~ ~* !~ !~* -> ->> #> #>> @> <@ &&")
_COMPARING = _words("= <> < > <= >=")  # the operators behind IN, BETWEEN, NULLIF, USING and others
_IMPLIED = {"LIKE": _words("~~ !~~"), "ILIKE": _words("~~* !~~*"), "SIMILAR": _words("~ !~")}
_NEVER_NULL = _words("""
    CLOCK_TIMESTAMP CONCAT GEN_RANDOM_UUID LOWER MD5 NEXTVAL NOW RANDOM UPPER UUIDV4 UUIDV7 UUID_GENERATE_V4
""")
_VALUES = _words("CURRENT_DATE CURRENT_TIMESTAMP FALSE TRUE")
_LEAVES_OUT = _words("EXCEPT FETCH GROUP HAVING INTERSECT JOIN LIMIT OFFSET UNION WHERE")
_PUNCTUATION = {"(", ")", "[", "]", ",", "."}
_BEFORE_A_TABLE = {"FROM", "JOIN", "ONLY", "AS"}
_NOTHING = Lexeme("space", "")


@dataclass(frozen=True)
class Expression:
    """The names in an expression, as in the catalogs.

    `values` are names of columns or whole rows; `has_star` is set where `*` means all columns.
    """

    names: frozenset[str]
    values: frozenset[str]
    operators: frozenset[str]
    has_star: bool


def read_expression(text: str) -> Expression | None:
    """The names in an expression or a query; None if it calls other functions, or has a parameter."""
    try:
        return _Reading(text).expression
    except _DoubtError:
        return None


def is_never_null(expression: str) -> bool:
    """Whether an expression is never NULL, by its text; evaluating it needn't be harmless."""
    parts = list(significant(expression))
    around = zip([_NOTHING, *parts], parts, [*parts[1:], _NOTHING], strict=False)
    return bool(parts) and all(_has_value(token, before=before, after=after) for before, token, after in around)


def _has_value(token: Lexeme, *, before: Lexeme, after: Lexeme) -> bool:
    """Whether a token can't make an expression NULL, as any column can."""
    if token.kind in {"string", "number"} or token.text in {"(", ")", ",", "||", "+", "-", "*", "::"}:
        return True
    if before.text == "::" or after.kind == "string":
        return token.word in _TYPES
    return token.word in _VALUES or (token.word in _NEVER_NULL and after.text == "(")


def constant_in(default: str) -> str | None:
    """The constant in a column's default as the catalogs print it, without its cast; None for other defaults."""
    first, *cast = [*significant(default), _NOTHING]
    if first.kind not in {"string", "number"} and first.word not in {"TRUE", "FALSE", "NULL"}:
        return None
    is_cast = cast[0].text == "::" and all(
        token.kind in {"word", "quoted"} or token.text in "()[],." for token in cast[1:]
    )
    return first.text if cast == [_NOTHING] or is_cast else None


def surely_yields_rows(query: str) -> bool:
    """Whether a query selects all rows of VALUES, as SQLAlchemy does to insert many rows at once."""
    parts = list(significant(query))
    words = [token.word for token in outside_parentheses(parts)]
    at = next((at for at, token in enumerate(parts) if token.word == "FROM"), len(parts))
    calls = (before for before, token in pairwise(parts[:at]) if token.text == "(")
    return (
        [token.word or token.text for token in parts[at : at + 3]] == ["FROM", "(", "VALUES"]
        and not _LEAVES_OUT.intersection(words)
        and all(token.word in _TYPES for token in calls)
        and not any(token.text == "," for token in outside_parentheses(parts[at:]))
    )


class _DoubtError(Exception):
    """A part that isn't known to be harmless."""


class _Reading:
    """Reads an expression token by token."""

    def __init__(self, text: str) -> None:
        self._names: set[str] = set()
        self._values: set[str] = set()
        self._operators = set(_COMPARING)
        self._openers = [""]  # the words before each open parenthesis
        self._has_star = False
        parts = [_NOTHING, _NOTHING, *significant(text), _NOTHING]
        for at in range(2, len(parts) - 1):
            self._read(parts[at], before=parts[at - 1], after=parts[at + 1], earlier=parts[at - 2])

    @property
    def expression(self) -> Expression:
        names, values = frozenset(self._names), frozenset(self._values)
        return Expression(names, values, frozenset(self._operators), self._has_star)

    def _read(self, token: Lexeme, *, before: Lexeme, after: Lexeme, earlier: Lexeme) -> None:
        match token.kind:
            case "word" if before.text == "::" or (before.word == "AS" and self._openers[-1] == "CAST"):
                _require(token.word in _TYPES)
            case "word" if before.text != "." and not self._is_name(token, before, after):
                self._operators |= _IMPLIED.get(token.word, frozenset())
                if after.text == "(":
                    self._names.add(unquoted(token))
            case "word" | "quoted":
                _require(not token.text.upper().startswith("U&"))
                self._read_name(token, before=before, after=after, earlier=earlier)
            case "string":
                _require("%%" not in token.text)  # a driver's escaped %
                _require(before.kind != "quoted" and (not before.word or before.word in _KEYWORDS | _TYPES))
            case "operator":
                _require(token.text in _OPERATORS and before.text != "::")
                self._operators.add(token.text)
                self._has_star |= token.text == "*" and _means_all_columns(before, after)
            case "punctuation":
                self._read_punctuation(token, before=before, after=after)
            case kind:
                _require(kind == "number")

    def _is_name(self, token: Lexeme, before: Lexeme, after: Lexeme) -> bool:
        """Whether a word is a name, not a keyword or a harmless function."""
        word = token.word
        _require(word not in _NEVER or (word == "FOR" and self._openers[-1] in {"SUBSTRING", "OVERLAY"}))
        if word in _KEYWORDS | {"FOR"} or (word in _FUNCTIONS | _TYPES and after.text == "("):
            return False
        if word in _TYPES and after.kind == "string":
            return False
        is_part_of_date = self._openers[-1] == "EXTRACT" and before.text == "("
        return not is_part_of_date and not (word == "TIME" and before.word in {"AT", "WITH", "WITHOUT"})

    def _read_name(self, token: Lexeme, *, before: Lexeme, after: Lexeme, earlier: Lexeme) -> None:
        _require(after.text != "(" or (before.word == "AS" and token.kind == "word"))  # an alias with names of columns
        _require(before.text != "::")
        name = unquoted(token)
        self._names.add(name)
        is_table = before.word in _BEFORE_A_TABLE and earlier.word != "DISTINCT"
        is_alias = before.text == ")" or before.kind == "quoted" or (before.word and before.word not in _KEYWORDS)
        if after.text != "." and not is_table and not is_alias:
            self._values.add(name)

    def _read_punctuation(self, token: Lexeme, *, before: Lexeme, after: Lexeme) -> None:
        is_slice = token.text == ":" and after.kind == "number"
        _require(is_slice or token.text in _PUNCTUATION)
        if token.text == "(":
            self._openers.append(before.word)
        elif token.text == ")":
            self._openers.pop()
            _require(self._openers)


def _means_all_columns(before: Lexeme, after: Lexeme) -> bool:
    """Whether `*` is neither a multiplication nor that of `count(*)`."""
    if before.text == "(" and after.text == ")":
        return False
    is_factor = before.kind in {"word", "quoted", "number", "string"} or before.text in {")", "]"}
    return not is_factor or before.word in {"SELECT", "DISTINCT", "ALL"}


def _require(known: object) -> None:
    if not known:
        raise _DoubtError
