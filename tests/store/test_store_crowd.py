"""Many people at once, and writers killed: nothing is given out twice, lost or doubled."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from explainfb.core.types import Answer
from explainfb.store import Annotator, Store
from store_backends import BACKENDS, answered_ids, check_counters, comparisons, fresh_url, people, preference, response


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


class Crowd:
    """Fifty people who answer until nothing is left, and a note of who holds what."""

    def __init__(self, overlap: int, patience: int) -> None:
        self.overlap = overlap
        self.patience = patience
        self.holders: Counter[int] = Counter()
        self.most_holders = 0
        self.confirmed: list[tuple[int, str]] = []
        self._lock = threading.Lock()

    def work(self, store: Store, who: Annotator) -> None:
        for _ in range(self.patience):
            lease = store.next_comparison(who, now=datetime.now(UTC), overlap=self.overlap, lease_seconds=600)
            if lease is None:
                return
            with self._lock:
                self.holders[lease.comparison.id] += 1
                self.most_holders = max(self.most_holders, self.holders[lease.comparison.id])
            press = response(lease.comparison, Answer.LEFT, lease.token)
            for _ in range(2):
                store.answer(who, press, now=datetime.now(UTC), overlap=self.overlap)
            with self._lock:
                self.confirmed.append((lease.comparison.id, who.name))


@pytest.mark.parametrize(("overlap", "own_store"), [(1, False), (3, False), (1, True)])
def test_fifty_at_once_are_never_given_too_much_and_nothing_is_lost(url: str, overlap: int, own_store: bool) -> None:
    count = 60
    crowd = Crowd(overlap, patience=count + 1)
    with Store(url) as store:
        store.add_comparisons(comparisons(count), seed=7)
        names = people(store, *(f"person {number}" for number in range(50)))
        stores = [Store(url) if own_store else store for _ in names]
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(crowd.work, stores, names))
        for each in stores:
            each.close()
        events = store.answers()
    assert crowd.most_holders <= overlap
    assert sorted((each.comparison.id, each.annotator) for each in events) == sorted(crowd.confirmed)
    per_comparison = Counter(each.comparison.id for each in events)
    assert len(per_comparison) == count
    assert set(per_comparison.values()) == {overlap}
    assert not any(each.surplus for each in events)


WRITER = """
import sys
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[2])
from store_backends import people, response
from explainfb.store import Store
from explainfb.core.types import Answer
store = Store(sys.argv[1])
(who,) = people(store, "writer")
while True:
    now = datetime.now(UTC)
    lease = store.next_comparison(who, now=now, overlap=1, lease_seconds=60)
    store.answer(who, response(lease.comparison, Answer.LEFT, lease.token), now=now, overlap=1)
    print(lease.comparison.id, flush=True)
"""


def test_what_a_killed_writer_confirmed_is_there_once(url: str) -> None:
    with Store(url) as store:
        store.add_comparisons(comparisons(5000), seed=7)
    command = [sys.executable, "-c", WRITER, url, str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        confirmed = [int(writer.stdout.readline()) for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    with Store(url) as store:
        stored = answered_ids(store)
        assert len(set(stored)) == len(stored)
        assert list(stored[: len(confirmed)]) == confirmed
        assert len(stored) - len(confirmed) in (0, 1)
        check_counters(store)


def test_a_run_killed_between_recording_and_its_next_step_does_not_double_answers(url: str) -> None:
    items = comparisons(3)
    for _ in range(2):
        with Store(url) as store:
            store.add_comparisons(items, seed=7)
            store.record([preference(item) for item in items])
    with Store(url) as store:
        assert len(store.answers()) == 3
        assert store.progress(1).answers == 3


def test_many_may_open_a_new_database_at_once(url: str) -> None:
    gate = threading.Barrier(16)

    def opened(_: int) -> int:
        gate.wait()
        with Store(url) as store:
            return len(store.add_comparisons(comparisons(3), seed=7))

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(opened, range(16))) == [3] * 16
