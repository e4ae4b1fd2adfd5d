"""What a study has on record, as tables."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd

from explainfb.export.columns import ANSWERS, RATINGS, Column
from explainfb.store import Rating, Store, StoredAnswer
from explainfb.store.schema import ROUND_SIZE


def answers_table(store: Store) -> pd.DataFrame:
    """One row an event of answering, in the order of recording; `columns.ANSWERS` says what the columns are."""
    events = store.answers()
    excluded = _excluded(store)
    return _table(ANSWERS, [_answer(event, event.annotator in excluded) for event in events])


def ratings_table(store: Store) -> pd.DataFrame:
    """One row a current rating, in the order of recording; `columns.RATINGS` says what the columns are."""
    ratings = store.ratings()
    excluded = _excluded(store)
    return _table(RATINGS, [_rating(rating, rating.annotator in excluded) for rating in ratings])


def _excluded(store: Store) -> set[str]:
    return {each.name for each in store.annotators.all() if each.excluded}


def _table(columns: Sequence[Column], rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    series = {each.name: pd.Series([row[each.name] for row in rows], dtype=each.dtype) for each in columns}
    return pd.DataFrame(series)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _answer(event: StoredAnswer, excluded: bool) -> dict[str, object]:
    comparison = event.comparison.comparison
    return {
        "answer_id": event.id,
        "round": comparison.round,
        "position": event.comparison.id % ROUND_SIZE,
        "comparison_id": event.comparison.id,
        "annotator": event.annotator,
        "answer": None if event.answer is None else str(event.answer),
        "gold": None if comparison.gold is None else str(comparison.gold),
        "left_classifier": event.shown_left.classifier,
        "left_image": event.shown_left.image,
        "right_classifier": event.shown_right.classifier,
        "right_image": event.shown_right.image,
        "asked": comparison.asked,
        "others": " ".join(map(str, comparison.others)) or None,
        "said": event.said,
        "seed": event.seed,
        "shown_at": _time(event.shown_at),
        "responded_at": _time(event.responded_at),
        "recorded_at": _time(event.recorded_at),
        "app_version": event.app_version,
        "comment": event.comment,
        "supersedes": event.supersedes,
        "surplus": event.surplus,
        "current": event.current,
        "excluded": excluded,
    }


def _rating(rating: Rating, excluded: bool) -> dict[str, object]:
    return {
        "round": rating.round,
        "annotator": rating.annotator,
        "classifier": rating.explanation.classifier,
        "image": rating.explanation.image,
        "rating": rating.rating,
        "shown_at": _time(rating.shown_at),
        "responded_at": _time(rating.responded_at),
        "app_version": rating.app_version,
        "comment": rating.comment,
        "excluded": excluded,
    }
