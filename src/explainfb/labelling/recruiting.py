"""An open link: it makes an annotator of each visitor, for recruiting where nobody can be invited by name."""

import hashlib
import json
import secrets
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from urllib.parse import parse_qs

from explainfb.core.errors import InputError
from explainfb.store import Annotator, Kind, Store

SETTING = "open link"
"""The setting under which a study's database keeps it."""
FULL = "full"
"""What the browser keeps in place of a token where the study takes nobody more."""
JOINING = threading.Lock()
"""One visitor after the other, or two might take the last place."""


@dataclass(frozen=True, kw_only=True)
class OpenLink:
    """Who may come by the open link, and how their visit ends."""

    token_sha256: str
    most: int
    """So many people."""
    quota: int | None = None
    """So many answers are asked of one person; None for as many as there are."""
    until: str | None = None
    """The last day, in UTC and ISO 8601, on which somebody new is let in; None without."""
    id_name: str | None = None
    """What the address calls the participant's id, such as PROLIFIC_PID; None where nobody sends one."""
    completion: str | None = None
    """What is shown at the end: a code, or an address to go back to."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError(f"--most is a number of people, at least 1; found {self.most}.")
        if self.quota is not None and self.quota < 1:
            raise InputError(f"--quota is a number of answers, at least 1; found {self.quota}.")
        if self.until is not None:
            try:
                date.fromisoformat(self.until)
            except ValueError as error:
                raise InputError(f"--until is a day such as 2027-03-31; found {self.until!r}.") from error
        if self.id_name is not None and not (self.id_name.isascii() and self.id_name.isidentifier()):
            raise InputError(f"--id is a name in an address, such as PROLIFIC_PID; found {self.id_name!r}.")

    @property
    def ends_elsewhere(self) -> bool:
        """Whether `completion` is an address."""
        return self.completion is not None and self.completion.startswith(("https://", "http://"))


def open_link(
    store: Store,
    *,
    most: int,
    quota: int | None = None,
    until: str | None = None,
    id_name: str | None = None,
    completion: str | None = None,
) -> str:
    """Open the study to whoever has the link; returns its token. A link opened before is closed, its people stay."""
    token = secrets.token_urlsafe(16)
    made = OpenLink(
        token_sha256=_hash(token), most=most, quota=quota, until=until, id_name=id_name, completion=completion
    )
    store.write_setting(SETTING, json.dumps(asdict(made)))
    return token


def close_link(store: Store) -> bool:
    """Let nobody new in; False where no link was open. Who came by it goes on and is told how the visit ends."""
    found = current_link(store)
    if found is None or not found.token_sha256:
        return False
    store.write_setting(SETTING, json.dumps(asdict(found) | {"token_sha256": ""}))
    return True


def current_link(store: Store) -> OpenLink | None:
    """The open link, also after it was closed; None where there never was one."""
    found = store.read_setting(SETTING)
    return OpenLink(**json.loads(found)) if found else None


def joined(store: Store, name: str | None = None) -> set[str]:
    """Who came by the open link, among everybody or `name` alone."""
    return {event.annotator for event in store.annotators.events(name) if event.kind is Kind.JOINED}


def join(store: Store, token: str, query: str, *, known: str = "", now: datetime | None = None) -> str:
    """What the browser is to keep of whoever follows a link: a token, or `FULL` where nobody more is let in.

    A personal link's token comes back as it is. By the open link an annotator is added: called by the id that `query`,
    what follows the ? of the address, has under `id_name`, or else `visitor N`. Whoever comes again is the same person,
    by that id, or by `known`, the token that the browser kept. Without an id that is wanted the token comes back, which
    opens nothing.
    """
    found = current_link(store)
    if found is None or not token or _hash(token) != found.token_sha256:
        return token
    with JOINING:
        people = joined(store)
        if found.id_name is None:
            reader = store.annotators.authenticate(known)
            if reader is not None and reader.name in people:
                return known
        else:
            sent = parse_qs(query.removeprefix("?")).get(found.id_name, [""])[0].strip()
            if not sent:
                return token
            if sent in people:
                store.annotators.revoke(sent)
                return store.annotators.add(sent)
        over = found.until is not None and (now or datetime.now(UTC)).date() > date.fromisoformat(found.until)
        if over or len(people) >= found.most:
            return FULL
        return _add(store, _next_name(store) if found.id_name is None else sent, token)


def has_enough(link: OpenLink | None, given: int) -> bool:
    """Whether whoever came by the link has given as many answers as are asked of one person."""
    return link is not None and link.quota is not None and given >= link.quota


def _add(store: Store, name: str, token: str) -> str:
    try:
        own = store.annotators.add(name)
    except InputError:  # no name, or that of somebody who was invited: the link opens nothing
        return token
    store.annotators.note(name, Kind.JOINED)
    return own


def _next_name(store: Store) -> str:
    names = {person.name for person in store.annotators.all()}
    number = 1
    while f"visitor {number}" in names:
        number += 1
    return f"visitor {number}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def came_by_link(store: Store, person: Annotator) -> bool:
    """Whether `person` came by the open link."""
    return person.name in joined(store, person.name)
