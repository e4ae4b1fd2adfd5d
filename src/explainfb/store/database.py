"""Connections to SQLite and PostgreSQL: one writer at a time, and errors in the user's words."""

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, event, insert, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from explainfb.core.errors import InputError
from explainfb.core.files import make_private
from explainfb.store.database_errors import UnreachableError, postgresql_error, sqlite_error
from explainfb.store.safekeeping.checksums import DamagedRowError, lack_checksums, write_checksums
from explainfb.store.safekeeping.upgrades import UPGRADES, copy_all
from explainfb.store.schema import SCHEMA_VERSION, metadata, versions

POOL: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 4, "max_overflow": 0}
"""Pinged, because a server may have been restarted; few, because a server has a hundred connections for all of its
users, and a study has several processes."""
SERVER = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""Of a server whose machine has gone, nothing comes, not even an error: it is asked every so many seconds."""
ADVISORY_LOCK = 0x6578706C61696E
"""The key under which writers on PostgreSQL queue: `explain` in ASCII."""


def parse_url(url: str | Path) -> URL:
    """A URL with its driver; a path is that of a SQLite file.

    Raises `InputError`, which never repeats the URL: it may hold a password.
    """
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError("No database URL found; expected sqlite:///PATH or postgresql://USER@HOST/NAME.") from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError("A study's answers are kept in a file; expected sqlite:///PATH, found no path.")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise InputError(f"Unknown database {parsed.drivername!r}; expected sqlite:///PATH or postgresql://HOST/NAME.")
    return parsed


class Database:
    """The study's database, its tables made when they are missing.

    Writers queue: in this process behind a lock, against other processes behind SQLite's BEGIN IMMEDIATE or a
    PostgreSQL advisory lock. So what a write transaction reads stays true until it commits.
    """

    def __init__(self, url: str | Path, *, busy_seconds: float, read_only: bool = False) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._read_only = read_only
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        # a write elsewhere takes a moment: it is waited for, and not an error
        timeouts = {"timeout": busy_seconds} if self.is_sqlite else SERVER
        try:
            # no parameters in errors, because people typed them
            self.engine = create_engine(
                self._address(), connect_args=timeouts, hide_parameters=True, pool_timeout=busy_seconds, **POOL
            )
        except ModuleNotFoundError as error:
            raise InputError("PostgreSQL needs its driver; run pip install 'explainfb[postgresql]'.") from error
        self._writing = threading.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_reader if read_only else _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def place(self) -> str:
        """The file, or the server and database, without user and password."""
        is_file = self.url.get_backend_name() == "sqlite"
        return str(self.url.database) if is_file else f"{self.url.host or 'localhost'}/{self.url.database}"

    def check_whole(self) -> None:
        """Every page, index and constraint of a SQLite file; a server looks after its own."""
        if self.is_sqlite:
            with self.read() as connection:
                for check in ("integrity_check(1)", "foreign_key_check"):
                    verdict = connection.exec_driver_sql(f"PRAGMA {check}").first()
                    if verdict is not None and verdict[0] != "ok":
                        raise InputError(f"The database {self.place} is damaged ({verdict[0]}); bring back a copy.")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that leaves the database as it is."""
        with self._errors_in_words(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer interrupts; committed when the block ends, undone when it raises."""
        with self._errors_in_words(), self._writing, self.engine.connect() as bare:
            connection = bare.execution_options(explainfb_write=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(select(text(f"pg_advisory_xact_lock({ADVISORY_LOCK})")))
                yield connection

    def checkpoint(self) -> None:
        """Bring SQLite's file up to date and empty its log, so that what was deleted is in neither."""
        if self.is_sqlite:
            with self._errors_in_words(), self._writing, self.engine.connect() as connection:
                bare = connection.connection.driver_connection
                assert bare is not None
                bare.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        if self._copy is not None:
            self._copy.cleanup()

    def _address(self) -> URL:
        """With what SQLite is to be told of a file that is only read, as in an archive that nobody may write to."""
        if not (self.is_sqlite and self._read_only):
            return self.url
        file = Path(self.place).absolute()
        parameters = {"uri": "true", "mode": "ro"}
        if not os.access(file.parent, os.W_OK):
            # SQLite keeps a file beside one in WAL mode, even to read; where it cannot, what is in the log must not be
            # passed over, which `immutable` does
            log = file.with_name(file.name + "-wal")
            if log.is_file() and log.stat().st_size:
                self._copy = tempfile.TemporaryDirectory()
                for part in (file, log):
                    shutil.copyfile(part, Path(self._copy.name) / part.name)
                file = Path(self._copy.name) / file.name
            else:
                parameters["immutable"] = "1"
        return self.url.set(database=f"file:{quote(str(file))}", query=parameters)

    def _open(self) -> None:
        if self.is_sqlite:
            self._check_file()
        with self.read() as connection:
            found = self._version(connection)
        if found is None and self._read_only:
            raise InputError(f"The database {self.place} is empty; give the one with which the study was begun.")
        if found is None:
            with self.write() as connection:
                if self._version(connection) is None:  # else another process was first
                    metadata.create_all(connection, checkfirst=False)
                    connection.execute(insert(versions).values(version=SCHEMA_VERSION))
                found = SCHEMA_VERSION
        if found in UPGRADES:
            if self._read_only:
                self._read_a_copy()
            found = self._upgrade()
        if found != SCHEMA_VERSION:
            raise InputError(
                f"The database {self.place} has schema {found} and this explainfb reads schema {SCHEMA_VERSION}; "
                "use the explainfb that wrote it, or start a new study."
            )
        if not self._read_only:
            self._give_checksums()

    def _give_checksums(self) -> None:
        with self.read() as connection:
            if not lack_checksums(connection):
                return
        with self.write() as connection:
            write_checksums(connection)

    def _read_a_copy(self) -> None:
        """From here on read a copy that can be brought up to this schema; the file itself stays as it is."""
        self._copy = self._copy or tempfile.TemporaryDirectory()
        copy = Path(self._copy.name) / "upgraded.db"
        with self.engine.connect() as connection:
            copy_all(connection, copy)
        self.engine.dispose()
        self.is_sqlite = True
        self.engine = create_engine(URL.create("sqlite", database=str(copy)), hide_parameters=True, **POOL)
        event.listen(self.engine, "connect", _prepare_sqlite)
        event.listen(self.engine, "begin", _begin_sqlite)

    def _upgrade(self) -> int | None:
        """Bring a database of an earlier schema up to this one, whole or not at all; returns the schema it has then."""
        with self.write() as connection:
            # read again: another process may have been first
            while (found := self._version(connection)) in UPGRADES:
                UPGRADES[found](connection)
                connection.execute(update(versions).values(version=found + 1))
            return found

    def _version(self, connection: Connection) -> int | None:
        """The schema found, or None in an empty database. Raises `InputError` among another program's tables."""
        tables = set(inspect(connection).get_table_names())
        if versions.name in tables:
            return connection.execute(select(versions.c.version)).scalar()
        strangers = tables if self.is_sqlite else tables & set(metadata.tables)
        if strangers:
            raise InputError(
                f"The database {self.place} belongs to another program (it has a table {min(strangers)!r}); "
                "name an empty or a new one."
            )
        return None

    def _check_file(self) -> None:
        file = Path(self.place)
        folder = file.absolute().parent
        if self._read_only and not Path(self.place).is_file():
            raise InputError(f"There is no database {self.place}; give the --db that the study was begun with.")
        if not folder.is_dir():
            raise InputError(f"The folder {folder} of the database does not exist; make it, or name another.")
        if not self._read_only and not file.exists():
            make_private(file)  # names and comments are in it; SQLite gives the files beside it the same mode
        with self.read() as connection:
            # at once, because SQLite itself notices a damaged page only when it comes to read it
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            if verdict != "ok":
                raise InputError(f"The database {self.place} is damaged ({verdict}); bring back a copy of it.")

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except DamagedRowError as error:
            raise InputError(f"The database {self.place} is damaged: {error}.") from error
        except ValueError as error:  # a time that is none, an answer that there is not
            raise InputError(f"The database {self.place} is damaged ({error}); bring back a copy of it.") from error
        except TypeError as error:
            if "fromisoformat" not in str(error):  # SQLAlchemy's, of a time that is a number
                raise
            raise InputError(f"The database {self.place} is damaged (a time is none); bring back a copy.") from error
        except DBAPIError as error:
            if self.is_sqlite:
                told = sqlite_error(error, self.place)
            else:
                told = postgresql_error(error, self.place, self.url.password)
            if told is None:
                raise
            raise told from error
        except PoolTimeoutError as error:
            raise UnreachableError(f"The database {self.place} has too much to do; try again in a minute.") from error
        except StatementError as error:
            if isinstance(error.orig, InputError):  # from a column's own check, such as that of a time without a zone
                raise error.orig from None
            raise


def _prepare_reader(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # as below
    connection.execute("PRAGMA query_only = ON")


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # or Python would begin transactions itself; `_begin_sqlite` does
    connection.execute("PRAGMA foreign_keys = ON")  # SQLite does not check them unless it is told to, each time
    connection.execute("PRAGMA synchronous = FULL")  # an answer that was confirmed outlives a power cut
    # in WAL readers go on while somebody writes; set once, because changing it needs the database for oneself
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("explainfb_write", False)
    # a plain BEGIN locks at the first write, which fails at once where another has written since the first read;
    # IMMEDIATE waits for its turn here
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
