"""The errors that are Pegasus's own: nouns with fields, each with one plain sentence.

    PegasusError
    ├── SettingRefused          a setting is unknown or impossible
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
    """Something went wrong that a person can act on: `str(error)` is one plain sentence, without secrets."""

    exit_code = 1


class SettingRefused(PegasusError):
    """A setting has an unknown name or an impossible value."""

    exit_code = 2

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"The setting {setting} {reason}.")
        self.setting = setting


class DatabaseProblem(PegasusError):
    """The database can't be used."""


class DatabaseUnreachable(DatabaseProblem):
    """Nothing answers where the database should be."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"The database at {where} can't be reached: {reason}.")
        self.where = where


class DatabaseBusy(DatabaseProblem):
    """The database has too much to do for what was asked of it: another time it will do it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database is busy: {reason}.")
        self.reason = reason


class DatabaseFull(DatabaseProblem):
    """The database's disk has no room left."""

    def __init__(self, where: str) -> None:
        super().__init__(f"The database at {where} has no room left on its disk.")
        self.where = where


class DatabaseReadOnly(DatabaseProblem):
    """The database takes no changes: it is a standby, as after a failover, or somebody has closed it to them."""

    def __init__(self, where: str) -> None:
        super().__init__(f"The database at {where} takes no changes: it is read-only, or a standby.")
        self.where = where


class DatabaseBroken(DatabaseProblem):
    """The database can't read or write its own files."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"The database at {where} can't use its files: {reason}.")
        self.where = where
        self.reason = reason


class DatabaseMissing(DatabaseProblem):
    """The server answers, but has no database of that name."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"The server at {where} has no database named {name}: CREATE DATABASE {quoted(name)};")
        self.name = name


class PoolerUnnamed(DatabaseProblem):
    """A transaction pooler answers where PostgreSQL itself was expected."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"A pooler in transaction mode answers at {where}: set MIGRATION_DATABASE_URL to PostgreSQL's own address."
        )
        self.where = where


class PasswordRefused(DatabaseProblem):
    """The server refuses the user's password, or the user."""

    def __init__(self, user: str, where: str) -> None:
        super().__init__(f"The database at {where} refuses the user {user} or its password: see DATABASE_URL.")
        self.user = user


class PrivilegeMissing(DatabaseProblem):
    """The database user may not do what is needed; `remedy` is the SQL that an administrator can run."""

    def __init__(self, user: str, what: str, remedy: str) -> None:
        super().__init__(f"The database user {user} may not {what}. An administrator can run: {remedy}")
        self.user = user
        self.remedy = remedy


class EmbeddedPostgresProblem(PegasusError):
    """The PostgreSQL that Pegasus runs itself can't run."""


def quoted(identifier: str) -> str:
    """Quotes an SQL identifier where it needs quoting, as PostgreSQL's quote_ident does."""
    plain = identifier.isascii() and identifier.replace("_", "a").isalnum() and identifier.islower()
    return identifier if plain and not identifier[0].isdigit() else '"' + identifier.replace('"', '""') + '"'
