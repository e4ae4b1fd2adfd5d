"""The commands about people: the app, who may answer, and the answers as files."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from tyro.conf import Positional

from explainfb.core.errors import InputError
from explainfb.export import Format, export_answers, export_ratings, import_answers
from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.server import ADDRESS, LOCALHOST, PORT, THIS_MACHINE, address, check_address, link, serve
from explainfb.store import Annotator, Role, Store
from explainfb.study.folder import DATABASE, SETTINGS, check_begun, check_store
from explainfb.study.settings import read_settings


@dataclass(frozen=True, kw_only=True)
class Label:
    """The annotators' app: people who have a personal link compare explanations in a browser."""

    study: Path
    """Folder of the study, which explainfb run has begun."""
    port: int = PORT
    host: str = LOCALHOST
    """Who can reach the app: 127.0.0.1 this machine only; 0.0.0.0 whoever can reach this machine."""
    url: str | None = None
    """How annotators' browsers reach it, for their links, such as https://study.example.org; host and port without."""
    data_dir: Path | None = None
    """Where data sets lie, as it was given to run."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        check_address(self.host, self.port, self.url)
        place = ServedStudy.open(self.study, database=self.db, data_dir=self.data_dir)
        old, new = _address_of(place.store), self.url or address(self.host, self.port)
        invited = any(person.has_link for person in place.store.annotators.all())
        place.store.remember(ADDRESS, new)
        place.store.close()
        alone = self.host in THIS_MACHINE
        reach = "this machine only; --host 0.0.0.0 lets others in" if alone else "all who can reach that address"
        say(console, f"The app listens on {self.host} port {self.port}: {reach}. Stop it with Ctrl+C.")
        if not alone and self.url is None:
            say(console, "Links will lead to this machine's own 127.0.0.1; give --url, as others reach it.")
        say(console, f"Personal links: {how_to_invite(self.study, self.db)}")
        if invited and old != new:
            say(console, f"Links given so far may begin with {old}: put {new.rstrip('/')} in its place.")
        serve(self.study, database=self.db, data_dir=self.data_dir, host=self.host, port=self.port, url=self.url)


@dataclass(frozen=True, kw_only=True)
class Annotators:
    """Who may answer: add someone and print a personal link, list everyone, or revoke a link."""

    study: Path
    """Folder of the study."""
    action: Annotated[Literal["add", "list", "revoke"], Positional]
    name: Annotated[str | None, Positional] = None
    """Whom to add, or whose link to revoke."""
    researcher: bool = False
    """The link opens the researchers' page in place of the questions."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        if self.action == "list" and self.name is not None:
            raise InputError(f"annotators list takes no name; found {self.name!r}.")
        if self.action != "list" and self.name is None:
            raise InputError(f"annotators {self.action} needs a name; give one after {self.action}.")
        with store_of(self.study, self.db) as store:
            if self.name is None:
                given = Counter(event.annotator for event in store.answers() if event.current and event.answer)
                console.print(people_table(store.annotators.all(), given))
            elif self.action == "add":
                role = Role.RESEARCHER if self.researcher else Role.ANNOTATOR
                token = store.annotators.add(self.name, role=role)
                say(console, link(_address_of(store), token))
                if store.recall(ADDRESS) is None:
                    say(
                        Console(stderr=True),
                        "The app was not served yet: if explainfb label is given --port, --host or --url, only what "
                        "stands before /?link= changes.",
                    )
            else:
                had = store.annotators.revoke(self.name)
                say(console, "The link is closed; answers stay." if had else f"{self.name} had no open link.")
        return 0


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a study's answers to a file, one row an answer, with a README of its columns beside it."""

    study: Path
    """Folder of the study."""
    output: Path
    """The file to write, such as answers.csv."""
    format: Format = "csv"
    ratings: bool = False
    """The ratings of single explanations in place of the answers to comparisons."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        with store_of(self.study, self.db) as store:
            rows = (export_ratings if self.ratings else export_answers)(store, self.output, self.format)
        say(console, f"{rows:,} rows in {self.output}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Import:
    """Read exported answers into another copy of the study. Of a file with a fault, nothing is imported."""

    study: Path
    """Folder of the study, in which the same comparisons were asked."""
    file: Annotated[Path, Positional]
    """A file that explainfb export wrote: .csv, .jsonl or .parquet."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        with store_of(self.study, self.db) as store:
            new = import_answers(store, self.file)
        say(console, f"{new:,} new answers from {self.file}")
        return 0


@contextmanager
def store_of(folder: Path, database: str | None) -> Iterator[Store]:
    """The database of the study in `folder`. Raises `InputError` when there is no study, or it is another's."""
    read_settings(folder / SETTINGS)
    check_begun(folder)
    if database is None and not (folder / DATABASE).is_file():
        raise InputError(f"{folder} has no {DATABASE}; give the --db that the study was begun with.")
    with Store(database or folder / DATABASE) as store:
        check_store(folder, store)
        yield store


def _address_of(store: Store) -> str:
    """Where the app was served last, or is served without options."""
    return store.recall(ADDRESS) or address(LOCALHOST, PORT)


def say(console: Console, text: str) -> None:
    """Print a text that holds paths or names, as it is and without breaking lines."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def how_to_invite(study: Path, database: str | None) -> str:
    """What to type for a personal link."""
    same = "" if database is None else " (and the same --db)"
    return f"explainfb annotators --study {shlex.quote(str(study))} add NAME{same}"


def people_table(people: Sequence[Annotator], given: Mapping[str, int]) -> Table:
    """Everyone in the study, as `annotators list` prints it; `given` is how many answers there are by each."""
    table = Table(
        Column("name", overflow="fold"), "role", "link", Column("answers", justify="right"), "used in the fit"
    )
    for person in people:
        link, used = "open" if person.has_link else "closed", "no" if person.excluded else "yes"
        table.add_row(Text(person.name), person.role, link, f"{given.get(person.name, 0):,}", used)
    return table
