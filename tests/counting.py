"""What was tried and what held, counted: a command that tries everything of docs/reliability.md and writes its table.

    python tests/counting.py                                          # about half an hour
    python tests/counting.py --seconds 3600 --kills 50 --flips 100 --fuzz 100 --seed 1

Tests count what they try in the file that EXPLAINFB_TEST_COUNTS names, and nothing without it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reliability.md"
COUNTS = "EXPLAINFB_TEST_COUNTS"
TESTS = (
    "study/test_kills.py",
    "study/test_damage.py",
    "store/test_store_outages.py",
    "store/test_checksums.py",
    "store/test_upgrade_checksums.py",
    "sweeps/test_clusters.py",
    "export/test_bombs.py",
    "fuzz",
)


def count(what: str, held: bool = True, times: int = 1) -> None:
    """Write down, where anybody asked for it, that something was tried, and whether it held."""
    if place := os.environ.get(COUNTS):
        with open(place, "a", encoding="utf-8") as file:
            file.write(json.dumps([what, held, times]) + "\n")


@dataclass
class Tally:
    """What was tried and what held."""

    tried: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, held: bool, times: int = 1) -> None:
        self.tried[what] += times
        self.held[what] += held * times
        if not held:
            print(f"DID NOT HOLD: {what}", file=sys.stderr, flush=True)

    def read(self, place: Path) -> None:
        """Add what tests have written down."""
        for line in place.read_text(encoding="utf-8").splitlines():
            self.count(*json.loads(line))

    def table(self) -> str:
        lines = [f"| {what} | {number:,} | {self.held[what]:,} |" for what, number in self.tried.items()]
        return "\n".join(["| what happened | tried | held |", "|---|---|---|", *lines])


def run_tests(given: argparse.Namespace, tally: Tally) -> bool:
    """Run the tests that count, with more of everything; returns whether all passed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "counts.jsonl"
        place.touch()
        more = {name: str(getattr(given, name.lower())) for name in ("KILLS", "FLIPS", "FUZZ")}
        asked = {f"EXPLAINFB_TEST_{name}": number for name, number in more.items()} | {COUNTS: str(place)}
        words = [sys.executable, "-m", "pytest", "-q", "--timeout=7200", *(str(HERE / each) for each in TESTS)]
        passed = subprocess.run(words, env=os.environ | asked, cwd=HERE.parent).returncode == 0
        tally.read(place)
    return passed


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=300, help="how long the fault schedule runs, about")
    asked.add_argument("--seed", type=int, default=0, help="what the fault schedule is drawn from")
    asked.add_argument("--kills", type=int, default=12, help="studies that are killed again and again")
    asked.add_argument("--flips", type=int, default=25, help="flipped bits in each file")
    asked.add_argument("--fuzz", type=int, default=10, help="times as many strange files as at every change")
    given = asked.parse_args()
    from experiments.page import with_tables  # what tests import from here needs none of it
    from fault_schedule import run_schedule

    tally, begin = Tally(), time.monotonic()
    passed = run_tests(given, tally)
    with tempfile.TemporaryDirectory() as made:
        tally = run_schedule(given.seconds, given.seed, Path(made), tally)
    print(tally.table())
    if not passed or tally.held != tally.tried:
        sys.exit("Something did not hold, so docs/reliability.md was left as it was.")
    said = " ".join(f"--{name} {value:g}" for name, value in vars(given).items())
    took = f"`python tests/counting.py {said}`, {(time.monotonic() - begin) / 60:.0f} minutes"
    text = with_tables(PAGE.read_text(encoding="utf-8"), {"tried": f"{tally.table()}\n\n{took}.\n"})
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE)]
    main()
