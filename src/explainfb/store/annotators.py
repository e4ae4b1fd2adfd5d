"""Who takes part: names, personal links, and what happened on the way."""

import hashlib
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, select, update

from explainfb.core.errors import InputError
from explainfb.core.names import composed, is_fit
from explainfb.store import schema
from explainfb.store.database import Database
from explainfb.store.records import Annotator, AnnotatorEvent, Forgotten, Kind, Role, Visit
from explainfb.store.safekeeping.checksums import insert_rows

TOKEN_BYTES = 16
NAME_LENGTH = 200
FORGOTTEN = "forgotten"
"""The setting that counts who was forgotten."""
DECLINED = "declined"
"""The setting that counts whose rows were deleted because they did not agree to take part."""


def _latest(*kinds: Kind) -> Select[tuple[int]]:
    """The id of each annotator's last event among `kinds`."""
    return (
        select(func.max(schema.events.c.id))
        .where(schema.events.c.kind.in_(kinds))
        .group_by(schema.events.c.annotator_id)
    )


def excluded_ids() -> Select[tuple[int]]:
    """The ids of the annotators whom a researcher has left out of the fit."""
    return select(schema.events.c.annotator_id).where(
        schema.events.c.id.in_(_latest(Kind.EXCLUDED, Kind.INCLUDED)), schema.events.c.kind == Kind.EXCLUDED
    )


def id_of(connection: Connection, name: str) -> int:
    """Raises `InputError` for a name that is not in the study."""
    checked_name(name)
    kept = schema.annotators.c.name == kept_name(connection, name)
    found: int | None = connection.execute(select(schema.annotators.c.id).where(kept)).scalar()
    if found is None:
        raise InputError(f"No annotator is called {name!r}; list the annotators to see who there is.")
    return found


def ensure(connection: Connection, name: str, role: Role, now: datetime) -> int:
    """The id of whoever is called `name`, who is added when new; raises `InputError` where another role holds it."""
    checked_name(name)
    people, kept = schema.annotators.c, kept_name(connection, name)
    found = connection.execute(select(people.id, people.role).where(people.name == kept)).first()
    if found is None:
        return insert_rows(connection, schema.annotators, [{"name": kept, "role": role, "added_at": now}])[0]
    if found.role != role:
        raise InputError(f"{name!r} is in the study as {found.role}; choose another name.")
    return int(found.id)


def kept_name(connection: Connection, name: str) -> str:
    """The name by which whoever is called `name` is kept, or would be.

    The same text may be written in several ways in Unicode. Databases of before kept each as it came in.
    """
    wanted, column = composed(name), schema.annotators.c.name
    if name.isascii():
        return name
    there = connection.execute(select(column).order_by(schema.annotators.c.id)).scalars().all()
    same = [each for each in there if composed(each) == wanted]
    return name if name in same else next(iter(same), wanted)


def checked_name(name: str) -> str:
    """`name` as it is kept of someone new. Raises `InputError` where nobody can be called that."""
    name = composed(name)
    if not 0 < len(name) <= NAME_LENGTH or not is_fit(name) or name != name.strip():
        raise InputError(
            f"A name is 1 to {NAME_LENGTH} characters without spaces at its ends and without control characters; "
            f"found {name[:40]!r} of length {len(name)}."
        )
    return name


def token_hash(token: str) -> str:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()  # a link may be typed with any characters


def _new_link(connection: Connection, annotator: int, now: datetime) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"token_sha256": token_hash(token), "annotator_id": annotator, "issued_at": now}
    connection.execute(insert(schema.links).values(**values))
    return token


def _close_links(connection: Connection, annotator: int, now: datetime) -> bool:
    """Whether any was open."""
    links = schema.links.c
    change = update(schema.links).where(links.annotator_id == annotator, links.revoked_at.is_(None))
    return connection.execute(change.values(revoked_at=now)).rowcount > 0


def _forgotten(connection: Connection) -> Forgotten:
    found = connection.execute(select(schema.settings.c.value).where(schema.settings.c.name == FORGOTTEN)).scalar()
    return Forgotten(**json.loads(found)) if found else Forgotten(0, 0)


def _count_forgotten(connection: Connection, answers: int) -> None:
    before = _forgotten(connection)
    now = json.dumps({"people": before.people + 1, "answers": before.answers + answers})
    connection.execute(delete(schema.settings).where(schema.settings.c.name == FORGOTTEN))
    connection.execute(insert(schema.settings).values(name=FORGOTTEN, value=now))


def _declined(connection: Connection) -> int:
    found = connection.execute(select(schema.settings.c.value).where(schema.settings.c.name == DECLINED)).scalar()
    return int(found or 0)


def _count_declined(connection: Connection) -> None:
    now = str(_declined(connection) + 1)
    connection.execute(delete(schema.settings).where(schema.settings.c.name == DECLINED))
    connection.execute(insert(schema.settings).values(name=DECLINED, value=now))


def _given(connection: Connection, annotator: int) -> int:
    """How many answers the annotator has given that were not taken back."""
    later = schema.answers.alias()
    query = select(func.count()).where(
        schema.answers.c.annotator_id == annotator,
        schema.answers.c.answer.is_not(None),
        ~exists().where(later.c.supersedes == schema.answers.c.id),
    )
    return connection.execute(query).scalar_one()


class Annotators:
    """The study's annotators and researchers, each with a personal link."""

    def __init__(self, database: Database, recount: Callable[[Connection], None]) -> None:
        self._database = database
        self._recount = recount

    def add(self, name: str, *, role: Role = Role.ANNOTATOR, joined: bool = False) -> str:
        """Add someone, or give someone whose link was revoked a new one; returns the link's token.

        With `joined` it goes on record that they came by the open link. The token has 128 random bits and is given only
        here: the database keeps its SHA-256, so that nobody who reads the database can answer as someone else.
        Raises `InputError` for a name that has an open link, or that another role holds.
        """
        now = datetime.now(UTC)
        with self._database.write() as connection:
            annotator = ensure(connection, name, role, now)
            known = next(each for each in self._load(connection) if each.id == annotator)
            if known.has_link:
                raise InputError(
                    f"{name!r} has a link already, and a link is shown only once: where only the app's address is "
                    "another, put that before /enter# in it; where it is lost, revoke it first; or choose another name."
                )
            if joined:
                values = {"kind": Kind.JOINED, "detail": "", "by": name, "at": now}
                insert_rows(connection, schema.events, [values | {"annotator_id": annotator}])
            return _new_link(connection, annotator, now)

    def renew(self, name: str) -> str:
        """Put a new link in the place of the open one of `name`; returns its token.

        Raises `InputError` where no link is open: what was revoked stays so.
        """
        now = datetime.now(UTC)
        with self._database.write() as connection:
            annotator = id_of(connection, name)
            if not _close_links(connection, annotator, now):
                raise InputError(f"{name!r} has no open link; add them again to give one.")
            return _new_link(connection, annotator, now)

    def revoke(self, name: str) -> bool:
        """Close the link of `name` and end the lease; False when no link was open. The answers stay."""
        with self._database.write() as connection:
            annotator = id_of(connection, name)
            for table in (schema.leases, schema.kept):
                connection.execute(delete(table).where(table.c.annotator_id == annotator))
            return _close_links(connection, annotator, datetime.now(UTC))

    def all(self) -> list[Annotator]:
        """Everyone, in the order in which they were added."""
        with self._database.read() as connection:
            return self._load(connection)

    def authenticate(self, token: str) -> Annotator | None:
        """Whose open link this is. The look-up is by hash, so its duration tells nothing about any token."""
        return self._holder(token, schema.links.c.revoked_at.is_(None))

    def recognize(self, token: str) -> Annotator | None:
        """Whose link this is or was: one that was revoked too, so that whoever held it is not taken for someone new."""
        return self._holder(token)

    def note(self, name: str, kind: Kind, *, detail: str = "", by: str = "", at: datetime | None = None) -> None:
        """Put an event on record. `EXCLUDED` and `INCLUDED` also count the open slots of every round anew."""
        with self._database.write() as connection:
            values = {"kind": kind, "detail": detail, "by": by or name, "at": at or datetime.now(UTC)}
            insert_rows(connection, schema.events, [values | {"annotator_id": id_of(connection, name)}])
            if kind in (Kind.EXCLUDED, Kind.INCLUDED):
                self._recount(connection)

    def exclude(self, name: str, *, by: str, reason: str) -> None:
        """Leave the answers of `name` out of the fit, on record; open rounds ask others in their place."""
        self.note(name, Kind.EXCLUDED, detail=reason, by=by)

    def include(self, name: str, *, by: str, reason: str) -> None:
        """Take `exclude` back, on record."""
        self.note(name, Kind.INCLUDED, detail=reason, by=by)

    def forget(self, name: str, *, counted: bool = True) -> int:
        """Delete the answers, ratings, comments, events, link and name of `name`; returns how many answers there were.

        A count stays, unless not `counted`; open rounds ask others in their place, and what was learned before is not
        undone. Raises `InputError` for a researcher, whose decisions are on record.
        """
        with self._database.write() as connection:
            annotator = id_of(connection, name)
            if next(each for each in self._load(connection) if each.id == annotator).role is Role.RESEARCHER:
                raise InputError(f"{name!r} is a researcher, whose decisions stay on record; revoke the link instead.")
            if self._database.is_sqlite:
                # or what is deleted would stay in the file until something else is written there
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            given = _given(connection, annotator)
            for table in (schema.leases, schema.kept, schema.ratings, schema.answers, schema.events, schema.links):
                connection.execute(delete(table).where(table.c.annotator_id == annotator))
            connection.execute(delete(schema.annotators).where(schema.annotators.c.id == annotator))
            if counted:
                _count_forgotten(connection, given)
            else:
                _count_declined(connection)
            self._recount(connection)
        self._database.checkpoint()
        return given

    def forgotten(self) -> Forgotten:
        """How many people were forgotten, and how many answers they had given."""
        with self._database.read() as connection:
            return _forgotten(connection)

    def gone(self) -> str:
        """What changes whenever rows of people are deleted, and at no other time."""
        with self._database.read() as connection:
            people, declined = _forgotten(connection).people, _declined(connection)
        return f"{people}.{declined}" if declined else str(people)

    def events(self, name: str | None = None) -> list[AnnotatorEvent]:
        """What happened, in order, to `name` or to everyone."""
        table = schema.events
        query = select(schema.annotators.c.name, table.c.kind, table.c.detail, table.c.by, table.c.at, table.c.id)
        query = query.join_from(table, schema.annotators).order_by(table.c.id)
        with self._database.read() as connection:
            if name is not None:
                query = query.where(schema.annotators.c.name == kept_name(connection, name))
            rows = connection.execute(query).all()
        return [AnnotatorEvent(who, Kind(kind), detail, by, at, key) for who, kind, detail, by, at, key in rows]

    def visit(self, name: str) -> Visit:
        """How far `name` is; a reload or another device goes on from here."""
        events = self.events(name)
        kinds = [event.kind for event in events]
        pauses = [kind for kind in kinds if kind in (Kind.PAUSED, Kind.RESUMED)]
        verdicts = [kind for kind in kinds if kind in (Kind.ENDED, Kind.INCLUDED)]
        switches = [kind for kind in kinds if kind in (Kind.SHORTCUTS_ON, Kind.SHORTCUTS_OFF)]
        return Visit(
            consented=Kind.CONSENTED in kinds,
            practised=frozenset(event.detail for event in events if event.kind == Kind.PRACTISED),
            paused=pauses[-1:] == [Kind.PAUSED],
            finished=Kind.FINISHED in kinds,
            ended=verdicts[-1:] == [Kind.ENDED],
            taken_back=Kind.INCLUDED in kinds,
            shortcuts=switches[-1:] != [Kind.SHORTCUTS_OFF],
        )

    def _holder(self, token: str, *conditions: ColumnElement[bool]) -> Annotator | None:
        query = select(schema.links.c.annotator_id).where(schema.links.c.token_sha256 == token_hash(token), *conditions)
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
            return None if found is None else next(each for each in self._load(connection) if each.id == found)

    def _load(self, connection: Connection) -> list[Annotator]:
        people = schema.annotators.c
        linked = select(schema.links.c.annotator_id).where(schema.links.c.revoked_at.is_(None))
        query = select(people.id, people.name, people.role, people.id.in_(linked), people.id.in_(excluded_ids()))
        rows = connection.execute(query.order_by(people.id)).all()
        return [Annotator(key, name, Role(role), bool(has), bool(out)) for key, name, role, has, out in rows]
