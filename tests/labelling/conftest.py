"""A store with some comparisons, on each database, and one annotator at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from explainfb.labelling.session import AnnotationSession
from explainfb.store import Store
from one_at_the_session import COMPARISONS, desk_of
from store_backends import BACKENDS, comparisons, fresh_url, people


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        opened.add_comparisons(comparisons(COMPARISONS), seed=7)
        yield opened


@pytest.fixture
def session(store: Store) -> AnnotationSession:
    return desk_of(store, *people(store, "Ann"))
