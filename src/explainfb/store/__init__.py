"""The study's database: who was asked what, when, and what they answered.

    explainfb_schema  the version of this layout
    settings          what several processes must agree on, by name
    rounds            the seed that drew a round; when it was added; when it was closed
    comparisons       round, position, the two explanations in the order shown, the known answer of a gold item;
                      id = round × 1,000,000 + position; `answers` counts the answers that count
    annotators        names and roles
    links             the SHA-256 of a personal link's token; when it was issued and revoked
    events            consent, practice, pauses, being left out of the fit, with who decided and why
    answers           one row an event, never changed: annotator, answer, sides, times, version, comment;
                      `supersedes` names the row it replaces, an empty `answer` takes that row back,
                      `surplus` marks an answer that came when no more were wanted
    leases            the one comparison that an annotator is being asked, until when
    kept              the one that the annotator will be asked after it, until when
    ratings           single explanations rated 1 to 5, never changed; the latest is the current one

Rows of annotators, events, comparisons, answers and ratings have a checksum each (`safekeeping.checksums`), which is
looked at whenever they are read for fitting, export and `check`.

Only `comparisons.answers`, `rounds.closed_at`, `links.revoked_at`, settings, leases and what is kept ever change.
Unique indexes allow each annotator one unbroken chain of answers per comparison and each token once, whatever the code
does. Explanations themselves are files of the study; a comparison names them.

An annotator who rates instead of comparing is leased a comparison, rates its two explanations, and the answer that
follows is stored with the ratings, so that rounds are waited for in the same way.
"""

from explainfb.store.answers import Response
from explainfb.store.imports import RowError
from explainfb.store.ratings import Rating
from explainfb.store.records import (
    Annotator,
    AnnotatorEvent,
    Forgotten,
    Kind,
    Lease,
    Outlook,
    Progress,
    Role,
    StoredAnswer,
    StoredComparison,
    Visit,
)
from explainfb.store.study_store import Store

__all__ = [
    "Annotator",
    "AnnotatorEvent",
    "Forgotten",
    "Kind",
    "Lease",
    "Outlook",
    "Progress",
    "Rating",
    "Response",
    "Role",
    "RowError",
    "Store",
    "StoredAnswer",
    "StoredComparison",
    "Visit",
]
