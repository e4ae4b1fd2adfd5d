"""The store itself: every method is one transaction."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import delete, insert, select

from explainfb.core.errors import InputError
from explainfb.core.names import composed
from explainfb.core.types import Comparison, Preference
from explainfb.store import answers, comparisons, imports, leases, ratings, schema
from explainfb.store.annotators import Annotators
from explainfb.store.answers import Response
from explainfb.store.database import Database
from explainfb.store.ratings import Rating
from explainfb.store.records import Annotator, Lease, Outlook, Progress, StoredAnswer, StoredComparison
from explainfb.store.safekeeping import checksums, copies, fingerprints, outages

P = ParamSpec("P")
T = TypeVar("T")


def _patient(method: Callable[Concatenate["Store", P], T]) -> Callable[Concatenate["Store", P], T]:
    """For what a run asks, of which each is one transaction that may be repeated: outages are waited out."""

    @wraps(method)
    def ask(store: "Store", /, *given: P.args, **named: P.kwargs) -> T:
        return outages.through_outages(lambda: method(store, *given, **named), store._on_outage)

    return ask


class Store:
    """The database of one study, to be closed after use or used in a `with` block.

    `url` is `sqlite:///PATH`, the path itself (which may then hold any character), or
    `postgresql://USER:PASSWORD@HOST/NAME`; `busy_seconds` is how long to wait for other writers;
    `read_only` needs no right to write, neither to the file nor beside it. With `on_outage`, what a
    run asks of a database that was there and is away waits until it is back; it is called with a sentence, once when
    that begins and once when it ends. Raises
    `InputError` for a database that is damaged, another program's or version's, not to be reached, or on a full
    disk; it names the file or the host and never a password.
    Threads may share one store; every process opens its own.
    """

    annotators: Annotators

    def __init__(
        self,
        url: str | Path,
        *,
        busy_seconds: float = 60.0,
        read_only: bool = False,
        on_outage: Callable[[str], None] | None = None,
    ) -> None:
        self._on_outage = on_outage
        self._database = Database(url, busy_seconds=busy_seconds, read_only=read_only)
        every_round = select(schema.rounds.c.round)
        self.annotators = Annotators(self._database, lambda connection: comparisons.recount(connection, every_round))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def check_whole(self) -> int:
        """Raise `InputError` where the database is damaged anywhere, also where nothing has looked yet.

        Returns how many rows have no checksum, as those that an explainfb of before wrote.
        """
        self._database.check_whole()
        with self._database.read() as connection:
            without = checksums.check_rows(connection)
            comparisons.check_counts(connection)
            return without

    def back_up(self, file: Path) -> None:
        """Copy everything on record, as of one moment, into a new SQLite file. Raises `InputError` where one is there
        or cannot be written."""
        copies.back_up(self._database, file)

    def is_file(self, path: Path) -> bool:
        """Whether this is the SQLite database in the file `path`."""
        return self._database.is_sqlite and Path(self._database.place).absolute() == path.absolute()

    @_patient
    def add_comparisons(self, wanted: Sequence[Comparison], *, seed: int) -> list[StoredComparison]:
        """Store whole rounds, in order, open to be asked; returns them with their ids.

        `seed` drew them and the sides on which they are shown. A round that is already on record changes nothing;
        raises `InputError` when it is on record with another content or seed.
        """
        rounds = sorted({comparison.round for comparison in wanted})
        with self._database.write() as connection:
            for round in rounds:
                content = [comparison for comparison in wanted if comparison.round == round]
                comparisons.add_round(connection, round, content, seed, datetime.now(UTC))
            return [stored for round in rounds for stored in comparisons.load(connection, round)]

    @_patient
    def comparisons(self, round: int | None = None) -> list[StoredComparison]:
        """The comparisons of a round, or all, ordered by round and position."""
        with self._database.read() as connection:
            return comparisons.load(connection, round)

    @_patient
    def close_round(self, round: int) -> None:
        """Ask the round no more; answers that still arrive are kept as surplus, so what a fit saw stays."""
        with self._database.write() as connection:
            comparisons.set_closed(connection, round, datetime.now(UTC))

    @_patient
    def reopen_round(self, round: int) -> None:
        """Take `close_round` back."""
        with self._database.write() as connection:
            comparisons.set_closed(connection, round, None)

    @_patient
    def progress(self, round: int, *, overlap: int = 1) -> Progress:
        """How much of the round has answers by `overlap` people."""
        with self._database.read() as connection:
            return comparisons.progress(connection, round, overlap)

    @_patient
    def record(self, preferences: Sequence[Preference]) -> int:
        """Append answers that were not given in the app; returns how many were new.

        All or none are stored. An annotator's answer that is already on record stays as it is, so that a batch
        may be recorded again after a crash. Raises `InputError` for a comparison that was never added.
        """
        with self._database.write() as connection:
            return answers.record(connection, preferences, now=datetime.now(UTC))

    @_patient
    def preferences(self, rounds: Iterable[int] | None = None, *, gold: bool) -> list[Preference]:
        """Answers that count: current, not surplus, not by excluded annotators; those to `gold` items on wish.

        Ordered by round, position and annotator's name, whenever they were given.
        """
        with self._database.read() as connection:
            return answers.preferences(connection, rounds, gold=gold)

    def next_comparison(
        self, annotator: Annotator, *, now: datetime, overlap: int, lease_seconds: float
    ) -> Lease | None:
        """What to ask this annotator; None when there is nothing (now, or for an excluded annotator).

        A comparison leased before comes back, its lease prolonged, while it is still wanted. Otherwise the first
        comparison of an open round is leased, what is kept for the annotator before others, that this annotator has not
        answered and for which other people's answers, leases and what is kept for them number fewer than `overlap`.
        """
        with self._database.write() as connection:
            return leases.next_comparison(
                connection, annotator.id, now=now, overlap=overlap, lease_seconds=lease_seconds
            )

    def keep_next(
        self, annotator: Annotator, *, now: datetime, overlap: int, lease_seconds: float
    ) -> StoredComparison | None:
        """What comes after the present one, kept from others; None where others might wait for it."""
        with self._database.write() as connection:
            return leases.keep_next(connection, annotator.id, now=now, overlap=overlap, lease_seconds=lease_seconds)

    def answer(self, annotator: Annotator, response: Response, *, now: datetime, overlap: int) -> StoredAnswer:
        """Store an answer or a change, once however often it is sent, and end the lease; returns what is on record.

        It counts even after its lease expired, while fewer than `overlap` other people's answers count and the
        round is open; otherwise it is stored as surplus. A second first answer by the same annotator is passed
        over. Raises `InputError` for a change to an answer that was changed meanwhile or whose round is closed.
        """
        with self._database.write() as connection:
            return answers.respond(connection, annotator.id, response, now=now, overlap=overlap)

    def undo(
        self, annotator: Annotator, answer: StoredAnswer, *, now: datetime, overlap: int, lease_seconds: float
    ) -> Lease | None:
        """Take an answer back, on record, and lease its comparison anew; an answer superseded before stays.

        Returns what to ask next. Raises `InputError` when the answer's round is closed.
        """
        response = Response(
            comparison=answer.comparison,
            answer=None,
            shown_at=now,
            responded_at=now,
            app_version=answer.app_version,
            token=None,
            supersedes=answer.id,
        )
        # one transaction, or somebody else might be given the comparison between undo and lease
        with self._database.write() as connection:
            last = answers.last_event(connection, answer.comparison.id, annotator.id)
            if last is not None and last.id == answer.id and last.answer is not None:
                answers.respond(connection, annotator.id, response, now=now, overlap=overlap)
                leases.lease(connection, annotator.id, answer.comparison.id, now, lease_seconds)
                leases.drop_kept(connection, annotator.id)  # after this one comes what was asked when it was taken back
            return leases.next_comparison(
                connection, annotator.id, now=now, overlap=overlap, lease_seconds=lease_seconds
            )

    def lease_anew(
        self, annotator: Annotator, comparison: StoredComparison, *, now: datetime, lease_seconds: float
    ) -> Lease:
        """Lease the comparison with a new token, so that what was sent with the old one does not count for it."""
        with self._database.write() as connection:
            return leases.lease(connection, annotator.id, comparison.id, now, lease_seconds)

    def outlook(self, annotator: Annotator, *, now: datetime, overlap: int) -> Outlook:
        """How many comparisons the annotator has answered, and how many could still be asked."""
        with self._database.read() as connection:
            return leases.outlook(connection, annotator.id, now=now, overlap=overlap)

    @_patient
    def rounds(self) -> dict[int, bool]:
        """Every round on record, and whether it is open: its answers count and may be changed."""
        query = select(schema.rounds.c.round, schema.rounds.c.closed_at.is_(None)).order_by(schema.rounds.c.round)
        with self._database.read() as connection:
            return {round: bool(is_open) for round, is_open in connection.execute(query)}

    def history(self, annotator: Annotator, *, limit: int = 10) -> list[StoredAnswer]:
        """The annotator's current answers, the latest first."""
        with self._database.read() as connection:
            return answers.history(connection, annotator.id, limit)

    def answers(self, round: int | None = None) -> list[StoredAnswer]:
        """Every event of answering, superseded and surplus ones too, in the order of recording."""
        with self._database.read() as connection:
            found = answers.load_all(connection)
        return [each for each in found if round in (None, each.comparison.comparison.round)]

    def import_answers(self, events: Sequence[StoredAnswer]) -> int:
        """Append what `answers` gave of another copy of the study; returns how many events were new. All or none.

        Events on record are passed over, so an import may be repeated; new people are added without a link. What
        people said besides their answers, and who is left out of the fit, does not come along. Raises `RowError`,
        an `InputError`, for events that are no unbroken chains, answer comparisons that are not on record, differ
        from what is, or count in a round that is closed.
        """
        with self._database.write() as connection:
            return imports.import_answers(connection, events, now=datetime.now(UTC))

    def rate(self, annotator: Annotator, rating: Rating, *, now: datetime) -> None:
        """Append a rating; the latest of an explanation in a round is the current one."""
        if composed(rating.annotator) != composed(annotator.name):
            raise InputError(f"{annotator.name!r} cannot give a rating of {rating.annotator!r}; give one's own.")
        with self._database.write() as connection:
            ratings.add(connection, annotator.id, rating, now=now)

    def ratings(self, annotator: str | None = None, round: int | None = None) -> list[Rating]:
        """Current ratings, in the order of recording."""
        with self._database.read() as connection:
            return ratings.load(connection, annotator, round)

    @_patient
    def fingerprint(self, through: int, until: str | None = None) -> fingerprints.Fingerprint:
        """Of all that can change what was learned in rounds 1 … `through`: what was asked, answered and decided.

        With `until`, of what was on record when that was taken, which nothing changes any more.
        """
        with self._database.read() as connection:
            return fingerprints.take(connection, through, until)

    @_patient
    def gone(self) -> str:
        """What changes whenever rows of people are deleted, and at no other time."""
        return self.annotators.gone()

    def write_setting(self, name: str, value: str) -> None:
        """Keep a setting that several processes share, such as the overlap."""
        with self._database.write() as connection:
            connection.execute(delete(schema.settings).where(schema.settings.c.name == name))
            connection.execute(insert(schema.settings).values(name=name, value=value))

    def claim_setting(self, name: str, value: str) -> str:
        """Keep a setting unless there is one; returns the one that there is. Of several processes one is first."""
        with self._database.write() as connection:
            query = select(schema.settings.c.value).where(schema.settings.c.name == name)
            found: str | None = connection.execute(query).scalar()
            if found is None:
                connection.execute(insert(schema.settings).values(name=name, value=value))
            return value if found is None else found

    @_patient
    def read_setting(self, name: str) -> str | None:
        """What `write_setting` wrote last; None when nothing."""
        with self._database.read() as connection:
            return connection.execute(select(schema.settings.c.value).where(schema.settings.c.name == name)).scalar()
