"""The commands about people: the app in which they answer, and who may answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from tyro.conf import Positional

from explainfb.cli.database import store_of
from explainfb.cli.printing import how_to_invite, say
from explainfb.core.errors import InputError
from explainfb.core.names import printable
from explainfb.labelling.server import (
    ADDRESS,
    LOCALHOST,
    PORT,
    RESEARCHER,
    THIS_MACHINE,
    address,
    check_address,
    link,
    serve,
)
from explainfb.labelling.wording_files import WORDING, Language, write_wording

if TYPE_CHECKING:
    from rich.table import Table

    from explainfb.store import Annotator, Store


@dataclass(frozen=True, kw_only=True)
class Label:
    """The annotators' app: people who have a personal link compare explanations in a browser."""

    study: Path
    """Folder of the study, which explainfb run, or a ClipStudy, has begun."""
    port: int = PORT
    """The port that the app listens on, 1 to 65535."""
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
        self._say_where(console)
        serve(self.study, database=self.db, data_dir=self.data_dir, host=self.host, port=self.port, url=self.url)

    def _say_where(self, console: Console) -> None:
        old, new, invited = self._record_address(console)
        alone = self.host in THIS_MACHINE
        reach = "this machine only; --host 0.0.0.0 lets others in" if alone else "all who can reach that address"
        say(console, f"The app listens on {self.host} port {self.port}: {reach}. Stop it with Ctrl+C.")
        if not alone and self.url is None:
            say(console, "Links will lead to this machine's own 127.0.0.1; give --url, as others reach it.")
        say(console, f"Personal links: {how_to_invite(self.study, self.db)}")
        if invited and old != new:
            say(console, f"Links given so far may begin with {old}: put {new.rstrip('/')} in its place.")

    def _record_address(self, console: Console) -> tuple[str, str, bool]:
        """Where the app was served before and is now, and whether anybody has a link.

        The study is opened here once, so that what is wrong with it or its data is said in the terminal and not in a
        browser.
        """
        with store_of(self.study, self.db) as store:
            from explainfb.labelling.served_clips import open_served  # with PyTorch, which reads the data

            open_served(self.study, database=self.db, data_dir=self.data_dir).store.close()
            old, new = _address_of(store), self.url or address(self.host, self.port)
            store.write_setting(ADDRESS, new)
            invited = any(person.has_link for person in store.annotators.all())
            say_researchers_link(console, store)
            return old, new, invited


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Write a file with every word that annotators see, to be changed: a study's wording.toml is what its app says."""

    language: Language = "en"
    """The language to begin from."""
    study: Path | None = None
    """Folder of the study, whose wording.toml it becomes; without it, wording.toml is written where you are."""

    def __call__(self, console: Console) -> int:
        path = (self.study or Path()) / WORDING
        if self.study is not None and not self.study.is_dir():
            raise InputError(f"There is no folder {self.study}; name that of a study, or leave --study out.")
        write_wording(path, self.language)
        say(console, f"{path}: change what stands between the quotes; the app reads it when it starts.")
        return 0


FORGOTTEN = (
    "{name} is forgotten: {given} answers, with comments, name and link, are deleted, and only their number is kept. "
    "What was learned from them stays; results.json, the report, exported files and backups made before may still have "
    "them."
)


@dataclass(frozen=True, kw_only=True)
class Annotators:
    """Who may answer: add someone and print a personal link, list everyone, revoke a link, or forget someone.

    open prints a link that makes an annotator of each visitor, and close closes it.
    """

    study: Path
    """Folder of the study."""
    action: Annotated[Literal["add", "list", "revoke", "forget", "open", "close"], Positional]
    """What is to be done."""
    name: Annotated[str | None, Positional] = None
    """Whom to add, whose link to revoke, or whose answers, comments and name to delete."""
    researcher: bool = False
    """The link opens the researchers' page in place of the questions."""
    most: int | None = None
    """With open: how many people it lets in, at least 1; 50 without."""
    quota: int | None = None
    """With open: how many answers are asked of one person, at least 1; as many as there are without."""
    until: str | None = None
    """With open: the last day, such as 2027-03-31, on which it lets somebody in."""
    id: str | None = None
    """With open: what the address calls the participant's id, such as PROLIFIC_PID; people are numbered without."""
    completion: str | None = None
    """With open: the code, or the address https://…, that is shown at the end."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        self._check()
        with store_of(self.study, self.db, read_only=self.action == "list") as store:
            if self.action == "open":
                self._open(store, console)
            elif self.action == "close":
                from explainfb.labelling.recruiting import close_link

                closed = close_link(store)
                say(console, "The open link is closed; who came by it goes on." if closed else "No link was open.")
            elif self.name is None:
                given = Counter(event.annotator for event in store.answers() if event.current and event.answer)
                console.print(people_table(store.annotators.all(), given))
            elif self.action == "add":
                self._add(self.name, store, console)
            elif self.action == "forget":
                answers = store.annotators.forget(self.name)
                say(console, FORGOTTEN.format(name=self.name, given=f"{answers:,}"))
            else:
                had = store.annotators.revoke(self.name)
                say(console, "The link is closed; answers stay." if had else f"{self.name} had no open link.")
        return 0

    def _check(self) -> None:
        """Raise `InputError` for a name or an option that the action does not take, or lacks."""
        nameless = self.action in ("list", "open", "close")
        if nameless and self.name is not None:
            raise InputError(f"annotators {self.action} takes no name; found {self.name!r}.")
        if not nameless and self.name is None:
            raise InputError(f"annotators {self.action} needs a name; give one after {self.action}.")
        given = [name for name in ("most", "quota", "until", "id", "completion") if getattr(self, name) is not None]
        if given and self.action != "open":
            raise InputError(f"--{given[0]} is for annotators open; found annotators {self.action}.")

    def _open(self, store: "Store", console: Console) -> None:
        from explainfb.labelling.recruiting import open_link

        token = open_link(
            store,
            most=50 if self.most is None else self.most,
            quota=self.quota,
            until=self.until,
            id_name=self.id,
            completion=self.completion,
            today=datetime.now(UTC).date(),
        )
        sent = "" if self.id is None else f"?{self.id}=ID"
        say(console, link(_address_of(store), token).replace("#", f"{sent}#"))
        if self.id is not None:
            say(Console(stderr=True), f"Put what your recruiter calls the id, such as {{{{%{self.id}%}}}}, for ID.")

    def _add(self, name: str, store: "Store", console: Console) -> None:
        from explainfb.store import Role

        token = store.annotators.add(name, role=Role.RESEARCHER if self.researcher else Role.ANNOTATOR)
        say(console, link(_address_of(store), token))
        if store.read_setting(ADDRESS) is None:
            say(
                Console(stderr=True),
                "The app was not served yet: if explainfb label is given --port, --host or --url, only what stands "
                "before /enter# changes.",
            )


def say_researchers_link(console: Console, store: "Store") -> None:
    """Print a link to the researchers' page where there never was one; links are told only once."""
    from explainfb.store import Role

    token = _first_researcher(store)
    if token is not None:
        say(console, f"Researchers' page, shown only now: {link(_address_of(store), token)}")
    elif any(person.role is Role.RESEARCHER and person.has_link for person in store.annotators.all()):
        say(
            console, "Researchers' page: with the link of a researcher; annotators add NAME --researcher gives another."
        )
    else:
        say(console, "Researchers' page: nobody has a link to it; annotators add NAME --researcher gives one.")


def _first_researcher(store: "Store") -> str | None:
    """The token of a link for `RESEARCHER`; None where a researcher has one, or that person is there already."""
    from explainfb.store import Role

    def there() -> bool:
        people = store.annotators.all()
        return any(each.name == RESEARCHER or (each.role is Role.RESEARCHER and each.has_link) for each in people)

    if there():
        return None
    try:
        return store.annotators.add(RESEARCHER, role=Role.RESEARCHER)
    except InputError:
        if there():  # since just now, by another start
            return None
        raise


def _address_of(store: "Store") -> str:
    """Where the app was served last, or is served without options."""
    return store.read_setting(ADDRESS) or address(LOCALHOST, PORT)


def people_table(people: "Sequence[Annotator]", given: Mapping[str, int]) -> "Table":
    """Everyone in the study, as `annotators list` prints it; `given` is how many answers there are by each."""
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(
        Column("name", overflow="fold"), "role", "link", Column("answers", justify="right"), "used in the fit"
    )
    for person in people:
        link, used = "open" if person.has_link else "closed", "no" if person.excluded else "yes"
        table.add_row(Text(printable(person.name)), person.role, link, f"{given.get(person.name, 0):,}", used)
    return table
