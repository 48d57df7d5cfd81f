"""Reads a statement part by part."""

from collections.abc import Iterator

from .lexer import Lexeme, text_of, tokens

_QUERIES = {"SELECT", "WITH", "VALUES", "TABLE"}
_OPENS, _CLOSES = {"(", "["}, {")", "]"}


class NotKnownError(Exception):
    """The statement has an unknown part."""


class StatementReader:
    """Reads a statement from its beginning to its end. Raises NotKnownError for anything unexpected."""

    def __init__(self, sql: str) -> None:
        self._tokens = list(_readable(sql))
        self._at = 0
        self._skip_space()

    @property
    def ended(self) -> bool:
        return self._at == len(self._tokens)

    def end(self) -> None:
        self.accept(";")
        if not self.ended:
            raise NotKnownError

    def accept(self, *words: str) -> bool:
        """Skips these words or signs, if they come next."""
        start = self._at
        for word in words:
            if self._next != word:
                self._at = start
                return False
            self._step()
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise NotKnownError

    def column(self) -> str:
        """One identifier."""
        if self.ended or self._tokens[self._at].kind not in {"word", "quoted"}:
            raise NotKnownError
        return self._step()

    def name(self) -> str:
        """An identifier, with its schema if there is one; refuses ONLY, which has a meaning of its own."""
        if self._next == "ONLY":
            raise NotKnownError
        name = self.column()
        while self.accept("."):
            name += "." + self.column()
        return name

    def alias(self, *followers: str) -> str | None:
        """An alias, if there is one before the words that may follow."""
        if self.accept("AS"):
            return self.column()
        return None if self.ended or self._next in {*followers, ";"} else self.column()

    def is_at_query(self) -> bool:
        """Whether a query comes next, in parentheses or not, rather than a list of columns."""
        start = self._at
        while self.accept("("):
            pass
        is_query = self._next in _QUERIES
        if is_query:
            self._step()
            is_query = not self.ended and self._next not in {",", ")"}
        self._at = start
        return is_query

    def items(self) -> Iterator[str]:
        """Expressions separated by commas, up to the end."""
        yield self.until(",")
        while self.accept(","):
            yield self.until(",")

    def until(self, *stops: str) -> str:
        """The text up to one of these words or signs, outside of parentheses, or up to the end."""
        start, before = self._at, ""
        while (
            not self.ended and self._next != ";" and not (self._is_at(*stops) and before not in {"AS", ".", "DISTINCT"})
        ):
            before = self._next
            self.skip_group()
        text = text_of(self._tokens[start : self._at]).strip()
        if not text and stops:
            raise NotKnownError
        return text

    def skip_group(self) -> None:
        """Skips the next lexeme, or a group in parentheses or brackets."""
        depth = 0
        while not self.ended:
            depth += (self._next in _OPENS) - (self._next in _CLOSES)
            if depth < 0:
                break
            self._step()
            if depth == 0:
                return
        raise NotKnownError

    @property
    def _next(self) -> str:
        if self.ended:
            return ""
        return self._tokens[self._at].word or self._tokens[self._at].text

    def _is_at(self, *stops: str) -> bool:
        return any(self._peek(*stop.split()) for stop in stops)

    def _peek(self, *words: str) -> bool:
        start = self._at
        accepted = self.accept(*words)
        self._at = start
        return accepted

    def _step(self) -> str:
        text = self._tokens[self._at].text
        self._at += 1
        self._skip_space()
        return text

    def _skip_space(self) -> None:
        while not self.ended and self._tokens[self._at].kind == "space":
            self._at += 1


def _readable(sql: str) -> Iterator[Lexeme]:
    """The lexemes, with space for comments, and `=` separated from a driver's placeholder: `a=%(a)s`."""
    for token in tokens(sql):
        if token.kind in {"comment", "meta"}:
            yield Lexeme("space", " ")
        elif token.text == "=%":
            yield from (Lexeme("operator", "="), Lexeme("operator", "%"))
        else:
            yield token
