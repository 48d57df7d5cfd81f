"""Pegasus's own errors: nouns with fields, each with one plain sentence.

    PegasusError
    ├── SettingRefused          a setting is unknown or impossible
    ├── SystemTableMissing      a table of Pegasus's own has yet to be made
    ├── DatabaseProblem         the database can't be used, and why
    │   ├── DatabaseUnreachable
    │   ├── DatabaseBusy
    │   ├── DatabaseFull
    │   ├── DatabaseReadOnly
    │   ├── DatabaseBroken
    │   ├── DatabaseMissing
    │   ├── PoolerUnnamed
    │   ├── PasswordRefused
    │   └── PrivilegeMissing
    └── EmbeddedPostgresProblem the PostgreSQL that Pegasus runs itself can't run

Domain errors of audio/, storage/ and reconcile/ live beside the code that raises them. None knows HTTP.
"""


class PegasusError(Exception):
    """An error that a person can act on: `str(error)` is one plain sentence, without secrets.

    An error without fields sets `message`; one with fields passes its sentence on.
    """

    exit_code = 1
    message = ""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(self.message if message is None else message)


class SettingRefused(PegasusError):
    exit_code = 2

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"The setting {setting} {reason}.")
        self.setting = setting


class SystemTableMissing(PegasusError):
    def __init__(self, content: str) -> None:
        super().__init__(
            f"The database has no table {content} yet: start the server once,"
            " or run: python -m reconcile heal -c system_chain/alembic.ini"
        )


class DatabaseProblem(PegasusError):
    """The database can't be used."""


class DatabaseUnreachable(DatabaseProblem):
    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"The database at {where} can't be reached: {reason}.")
        self.where = where


class DatabaseBusy(DatabaseProblem):
    """The same request can succeed later."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database is busy: {reason}.")
        self.reason = reason


class DatabaseFull(DatabaseProblem):
    def __init__(self, where: str) -> None:
        super().__init__(f"The database at {where} has no room left on its disk.")
        self.where = where


class DatabaseReadOnly(DatabaseProblem):
    """As after a failover, or where an administrator has made it read-only."""

    def __init__(self, where: str) -> None:
        super().__init__(f"The database at {where} takes no changes: it is read-only, or a standby.")
        self.where = where


class DatabaseBroken(DatabaseProblem):
    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"The database at {where} can't use its files: {reason}.")
        self.where = where
        self.reason = reason


class DatabaseMissing(DatabaseProblem):
    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"The server at {where} has no database named {name}: CREATE DATABASE {quoted(name)};")
        self.name = name


class PoolerUnnamed(DatabaseProblem):
    def __init__(self, where: str) -> None:
        super().__init__(
            f"A pooler in transaction mode answers at {where}: set MIGRATION_DATABASE_URL to PostgreSQL's own address."
        )
        self.where = where


class PasswordRefused(DatabaseProblem):
    def __init__(self, user: str, where: str) -> None:
        super().__init__(f"The database at {where} refuses the user {user} or its password: see DATABASE_URL.")
        self.user = user


class PrivilegeMissing(DatabaseProblem):
    """`remedy` is the SQL that an administrator can run."""

    def __init__(self, user: str, action: str, remedy: str) -> None:
        super().__init__(f"The database user {user} may not {action}. An administrator can run: {remedy}")
        self.user = user
        self.remedy = remedy


class EmbeddedPostgresProblem(PegasusError):
    """The PostgreSQL that Pegasus runs itself can't run."""


def quoted(identifier: str) -> str:
    """Quotes an SQL identifier where it needs quoting, as PostgreSQL's quote_ident does."""
    plain = identifier.isascii() and identifier.replace("_", "a").isalnum() and identifier.islower()
    return identifier if plain and not identifier[0].isdigit() else '"' + identifier.replace('"', '""') + '"'
