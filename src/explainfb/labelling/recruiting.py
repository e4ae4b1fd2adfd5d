"""An open link: it makes an annotator of each visitor, for recruiting where nobody can be invited by name."""

import json
import re
import secrets
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from explainfb.core.errors import InputError
from explainfb.core.names import composed, is_fit, printable
from explainfb.labelling.server import RESEARCHER
from explainfb.store import Annotator, Kind, Store
from explainfb.store.annotators import checked_name, token_hash

SETTING = "open link"
"""The setting under which a study's database keeps it."""
FULL = "full"
"""What the browser keeps in place of a token where the study takes nobody more."""
NO_ID = re.compile(rf"{RESEARCHER}|visitor \d+", re.IGNORECASE)
"""What no id may be: the name of the first researcher, or of someone whom a browser's cookie tells and no id does."""
HELD = timedelta(minutes=30)
"""For so long a place is kept for someone who has come and not agreed yet: whoever closes the page there takes none."""
JOINING = threading.Lock()
"""One visitor after the other, or two might take the last place."""


@dataclass(frozen=True, kw_only=True)
class OpenLink:
    """Who may come by the open link, and how their visit ends."""

    token_sha256: str
    most: int
    """So many people who agree to take part."""
    quota: int | None = None
    """So many answers are asked of one person; None for as many as there are."""
    until: str | None = None
    """The last day, in UTC and ISO 8601, on which somebody new is let in; None without."""
    id_name: str | None = None
    """What the address calls the participant's id, such as PROLIFIC_PID; None where nobody sends one."""
    completion: str | None = None
    """What is shown at the end: a code, or an address to go back to."""
    closed: tuple[str, ...] = ()
    """The SHA-256 of links that let nobody new in any more, by which those who are in come back."""

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
        return self.completion is not None and self.completion.lower().startswith(("https://", "http://"))


def open_link(
    store: Store,
    *,
    most: int,
    quota: int | None = None,
    until: str | None = None,
    id_name: str | None = None,
    completion: str | None = None,
    today: date | None = None,
) -> str:
    """Open the study to whoever has the link; returns its token. A link opened before is closed, its people stay.

    Raises `InputError` for values that do not fit, for a completion that is neither a code nor an address, and for a
    last day before `today`.
    """
    if completion is not None:
        _check_completion(completion)
    token, before = secrets.token_urlsafe(16), current_link(store)
    made = OpenLink(
        token_sha256=token_hash(token),
        most=most,
        quota=quota,
        until=until,
        id_name=id_name,
        completion=completion,
        closed=_with_closed(before) if before else (),
    )
    if until is not None and today is not None and date.fromisoformat(until) < today:
        raise InputError(f"--until {until} is over, so that nobody would be let in; in UTC it is {today}.")
    store.write_setting(SETTING, json.dumps(asdict(made)))
    return token


def _check_completion(sent: str) -> None:
    """Raise `InputError` for what would be shown as a code, or led to, and is not what was meant."""
    try:
        is_address = bool(urlsplit(sent).hostname) and sent.lower().startswith(("https://", "http://"))
    except ValueError:  # brackets that are not closed
        is_address = False
    if not is_fit(sent) or not sent or any(map(str.isspace, sent)) or ("/" in sent and not is_address):
        raise InputError(
            "--completion is a code, or an address that begins with https://, without spaces; found "
            f"{printable(sent)[:80]!r}."
        )


def close_link(store: Store) -> bool:
    """Let nobody new in; False where no link was open. Who came by it goes on and is told how the visit ends."""
    found = current_link(store)
    if found is None or not found.token_sha256:
        return False
    store.write_setting(SETTING, json.dumps(asdict(replace(found, token_sha256="", closed=_with_closed(found)))))
    return True


def current_link(store: Store) -> OpenLink | None:
    """The open link, also after it was closed; None where there never was one."""
    found = store.read_setting(SETTING)
    if not found:
        return None
    try:
        values = json.loads(found)
        return OpenLink(**values | {"closed": tuple(values.get("closed", ()))})
    except (ValueError, TypeError, AttributeError, InputError) as error:
        raise InputError(
            f"What the database says of the open link is damaged, or of a later version ({error}); bring back a copy "
            "of it, or take a newer explainfb."
        ) from error


def joined(store: Store, name: str | None = None) -> set[str]:
    """Who came by the open link, among everybody or `name` alone."""
    return {event.annotator for event in store.annotators.events(name) if event.kind is Kind.JOINED}


def join(store: Store, token: str, query: str, *, known: str = "", now: datetime | None = None) -> str:
    """What the browser is to keep of whoever follows a link: a token, or `FULL` where nobody more is let in.

    A personal link's token comes back as it is; where the token is of no link that is open, `known`, the token that the
    browser kept, stays if it opens anything. By the open link an annotator is added: called by the id that `query`,
    what follows the ? of the address, has under `id_name`, or else `visitor N`. Whoever comes again is the same person,
    by that id or by `known`, also when the link was closed meanwhile, unless their own was revoked. A token that opens
    nothing comes back without an id that is wanted, and for one that is the name of somebody who did not come by the
    link.
    """
    found, followed = current_link(store), token_hash(token)
    is_open = found is not None and followed == found.token_sha256
    if found is None or (not is_open and (found.id_name is None or followed not in found.closed)):
        return _kept(store, token, known)
    with JOINING:
        if found.id_name is None:
            reader = store.annotators.recognize(known)
            if reader is not None and came_by_link(store, reader):
                return known  # which opens nothing if it was revoked
            name = _next_name(store)
        else:
            name = parse_qs(query.removeprefix("?")).get(found.id_name, [""])[0].strip()
            if composed(name) in {composed(person.name) for person in store.annotators.all()}:
                return _come_back(store, name, token)
            if not is_open or not name:
                return _kept(store, token, known)
            if not _is_id(name):
                return token
        moment = now or datetime.now(UTC)
        over = found.until is not None and moment.date() > date.fromisoformat(found.until)
        return FULL if over or places_taken(store, moment) >= found.most else store.annotators.add(name, joined=True)


def places_taken(store: Store, now: datetime) -> int:
    """How many of the link's places are: of all who agreed to take part, and of those who may still be reading."""
    events = store.annotators.events()
    agreed = {event.annotator for event in events if event.kind is Kind.CONSENTED}
    came = [event for event in events if event.kind is Kind.JOINED]
    return sum(event.annotator in agreed or now - event.at < HELD for event in came)


def has_place(store: Store, person: Annotator, now: datetime) -> bool:
    """Whether someone who has not agreed yet still may: the place of one who went away may be somebody else's now."""
    link, came = (
        current_link(store),
        [each for each in store.annotators.events(person.name) if each.kind is Kind.JOINED],
    )
    if link is None or not came or now - came[0].at < HELD:
        return True
    return places_taken(store, now) < link.most


def _kept(store: Store, token: str, known: str) -> str:
    """The token of a link that may open nothing; `known` where it does not and `known` does."""
    people = store.annotators
    return known if people.authenticate(token) is None and people.authenticate(known) is not None else token


def _come_back(store: Store, name: str, token: str) -> str:
    """A new token of `name`; `token`, which opens nothing, where no id may tell them or their link was revoked."""
    person = next(each for each in store.annotators.all() if composed(each.name) == composed(name))
    allowed = person.has_link and not NO_ID.fullmatch(name) and came_by_link(store, person)
    return store.annotators.renew(name) if allowed else token


def _is_id(sent: str) -> bool:
    """Whether someone new may be called that."""
    try:
        return not NO_ID.fullmatch(checked_name(sent))
    except InputError:
        return False


def has_enough(link: OpenLink | None, given: int) -> bool:
    """Whether whoever came by the link has given as many answers as are asked of one person."""
    return link is not None and link.quota is not None and given >= link.quota


def _with_closed(link: OpenLink) -> tuple[str, ...]:
    """The links that are closed when `link` is."""
    return (*link.closed, link.token_sha256) if link.token_sha256 else link.closed


def _next_name(store: Store) -> str:
    names = {person.name for person in store.annotators.all()}
    number = 1
    while f"visitor {number}" in names:
        number += 1
    return f"visitor {number}"


def came_by_link(store: Store, person: Annotator) -> bool:
    """Whether `person` came by the open link."""
    return person.name in joined(store, person.name)
