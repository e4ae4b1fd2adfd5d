"""Getting a round answered: by a simulated annotator at once, or by people in their own time."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from explainfb.core.progress import Step
from explainfb.core.types import Comparison, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import explanation_of
from explainfb.preferences.random_utility import RandomUtilityAnnotator
from explainfb.preferences.simulated import Annotator, Crowd
from explainfb.questions import QUESTIONS
from explainfb.questions.question import Reply
from explainfb.store import Store

REFIT_THROUGH = "refit through"
"""The setting that names the last round whose answers were only to be learned from anew, and not to be asked for."""
LONGEST_LOOK = 86_400.0
"""Seconds; settings may draw longer ones, which no clock has."""
POLL_SECONDS = 1.0
"""Between two questions to the database, which tells nobody when an answer arrives."""


def ask_annotator(
    store: Store,
    round_number: int,
    annotator: Annotator,
    explanations: Mapping[ExplanationKey, Explanation],
    *,
    seed: int,
    overlap: int = 1,
) -> None:
    """Record the annotator's answer to every comparison of the round; a second call changes nothing.

    Of a crowd `overlap` different members answer each. One who takes time has looked for so long before answering.
    """
    preferences = []
    for stored in store.comparisons(round_number):
        comparison, question = stored.comparison, QUESTIONS[stored.comparison.asked]
        shown = [explanation_of(explanations, key) for key in comparison.shown]
        people = annotator.who_answer(comparison, overlap) if isinstance(annotator, Crowd) else [annotator]
        for person in people:
            shown_at = datetime.now(UTC)
            reply = question.reply(person, comparison, shown)
            if isinstance(person, RandomUtilityAnnotator):
                shown_at -= timedelta(seconds=min(LONGEST_LOOK, _seconds(person, comparison, shown, reply)))
            preferences.append(
                Preference(comparison, reply.answer, person.name, seed, shown_at, datetime.now(UTC), reply.said)
            )
    store.record(preferences)


def _seconds(person: RandomUtilityAnnotator, item: Comparison, shown: Sequence[Explanation], reply: Reply) -> float:
    return person.seconds(item, *shown) if item.asked == "compare" else person.seconds_of(item, reply)


def wait_for_people(
    store: Store,
    round_number: int,
    *,
    overlap: int,
    step: Step,
    check: Callable[[Sequence[Preference]], None] = lambda answers: None,
) -> None:
    """Return when every comparison of the round has `overlap` people's answers; the round is then closed.

    Before that `check` is called with the answers of this round and those before it; where it raises, the round stays
    open, so that answers can be changed. A round that was closed before anything was learned from it is opened again,
    unless it was learned from and is to be once more.
    """
    if store.rounds().get(round_number) is False and round_number <= int(store.read_setting(REFIT_THROUGH) or 0):
        check(store.preferences(range(1, round_number + 1), gold=False))
        return
    store.reopen_round(round_number)
    seen = 0
    while True:
        progress = store.progress(round_number, overlap=overlap)
        step(progress.answered - seen)
        seen = progress.answered
        if progress.complete:
            break
        time.sleep(POLL_SECONDS)
    check(store.preferences(range(1, round_number + 1), gold=False))
    store.close_round(round_number)
