"""What databases say when something is wrong, in the user's words."""

from sqlalchemy.exc import DBAPIError

from explainfb.core.errors import InputError


class UnreachableError(InputError):
    """The database is away or held by others, and may be there again in a moment."""


def sqlite_error(error: DBAPIError, place: str) -> InputError | None:
    """What SQLite says, in the user's words; None for what is nobody's fault but ours."""
    name = getattr(error.orig, "sqlite_errorname", "")
    if "Could not decode" in str(error.orig):  # Python's, which has no name
        name = "SQLITE_CORRUPT"
    told = {
        "SQLITE_NOTADB": "is damaged or is no SQLite database; bring back a copy of it, or name another file",
        "SQLITE_CORRUPT": "is damaged; bring back a copy of it",
        "SQLITE_ERROR": "is damaged (a table is not as it was made); bring back a copy of it",
        "SQLITE_FULL": "cannot grow because the disk is full; make room and run the same command again",
        "SQLITE_IOERR": "cannot be read or written; look whether the disk is full or failing",
        "SQLITE_CANTOPEN": "cannot be opened; look at the path and at who may write there",
        "SQLITE_READONLY": "may not be written; look at who may write there",
        "SQLITE_BUSY": "is held by another program; close that program and run the same command again",
    }
    found = next((key for key in told if name.startswith(key)), None)
    if found is None:
        return None
    kind = UnreachableError if found == "SQLITE_BUSY" else InputError
    return kind(f"The database {place} {told[found]}.")


def postgresql_error(error: DBAPIError, place: str, password: object) -> InputError | None:
    """As `sqlite_error`, of a server; the password is never in it."""
    if getattr(error.orig, "sqlstate", None) == "53100":
        return InputError(f"The server of {place} has no room left on its disk; make room and run again.")
    # by name, because psycopg is an extra and may not be installed
    if type(error.orig).__name__ != "OperationalError" and not error.connection_invalidated:
        return None
    reason = " ".join(str(error.orig).split()).removesuffix(".")
    if password:
        reason = reason.replace(str(password), "***")
    return UnreachableError(
        f"The database {place} cannot be reached ({reason}); look at the server and at the URL given."
    )
