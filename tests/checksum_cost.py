"""What checksums of rows cost: inserting and reading answers with them and without, in turns, as a ratio.

python tests/checksum_cost.py --answers 100000 --turns 3
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from explainfb.core.types import Answer, Comparison, ExplanationKey, Preference
from explainfb.store import Store
from explainfb.store.safekeeping import checksums

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@contextmanager
def timed(seconds: dict[str, list[float]], name: str) -> Any:
    begin = time.process_time()
    yield
    seconds[name].append(time.process_time() - begin)


def measure(file: Path, count: int) -> Callable[[dict[str, list[float]]], None]:
    asked = [Comparison(ExplanationKey("round-0", i), ExplanationKey("round-0", i + 1), 1) for i in range(count)]
    given = [Preference(item, Answer.LEFT, "simulated", 7, NOON, NOON) for item in asked]

    def once(seconds: dict[str, list[float]]) -> None:
        with Store(file) as store:
            store.add_comparisons(asked, seed=7)
            with timed(seconds, "insert"):
                store.record(given)
            with timed(seconds, "read for fitting"):
                store.preferences(gold=True)
            with timed(seconds, "read for export"):
                store.answers()

    return once


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--answers", type=int, default=100_000)
    asked.add_argument("--turns", type=int, default=3, help="the quickest of so many counts")
    options = asked.parse_args()
    taken: dict[bool, dict[str, list[float]]] = {True: defaultdict(list), False: defaultdict(list)}
    for turn in range(2 * options.turns):
        with_them = bool(turn % 2)
        off = mock.patch.object(checksums, "checksum", return_value=None)
        with tempfile.TemporaryDirectory() as folder, nullcontext() if with_them else off:
            measure(Path(folder) / "study.db", options.answers)(taken[with_them])
    for name, without in taken[False].items():
        best, bare = min(taken[True][name]), min(without)
        print(f"{name}: {best:.1f} s with checksums, {bare:.1f} s without, ratio {best / bare:.2f}")


if __name__ == "__main__":
    main()
