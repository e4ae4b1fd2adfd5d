"""What the answers taught, in sentences: how many answers the reward foretells, and why it was followed or not."""

from collections.abc import Mapping

from explainfb.core.types import OutOfBagTest
from explainfb.report.numerals import percent
from explainfb.report.stops import not_followed
from explainfb.results.format1 import Results

LEAST = 0.001
"""A smaller probability is not written out."""


def held_out_sentence(results: Results) -> str:
    """`The learned reward predicts 78 of the 86 held-out answers, 90.7 % (…)`; empty where none was held out."""
    preferences = results["preferences"]
    share, limits, rounds = (preferences[key] for key in ("reward_accuracy", "reward_accuracy_interval", "by_round"))
    if share is None:
        return ""
    of = rounds[-1]["held_out"] if rounds else 0
    how_many = f"{round(share * of)} of the {of} held-out answers, {percent(share)}" if of else percent(share)
    interval = f" (95 % interval {100 * limits[0]:.1f} to {100 * limits[1]:.1f})" if limits else ""
    return f"The learned reward predicts {how_many}{interval}."


def evidence_sentence(results: Results, foretold: Mapping[int, OutOfBagTest]) -> str:
    """Why each round's reward was followed or not; empty where nobody knows.

    `foretold` has what the best member of each round's ensemble foretold; rounds may lack.
    """
    needed = results["settings"].get("finetune.significance")
    ignored = {stop.round: stop.evidence for stop in not_followed(results)}
    if needed == 1:
        return "Each round followed its reward, whatever the evidence."
    rounds = [row["round"] for row in results["preferences"]["by_round"]]
    if needed is None or not rounds:
        return ""
    told = [_round(number, foretold.get(number), followed=number not in ignored) for number in rounds]
    return (
        "A round follows its reward where the member that foretells best the answers that it was not fitted to does "
        f"as well on a coin’s answers with a probability of {needed:g} at most, all members counted: {'; '.join(told)}."
    )


def _round(number: int, best: OutOfBagTest | None, *, followed: bool) -> str:
    what = "followed" if followed else "not followed"
    if best is None:
        return f"round {number} {what}"
    probability = f"p = {best.p_value:.2g}" if best.p_value >= LEAST else f"p < {LEAST:g}"
    return f"round {number} {what}, with {best.right} of {best.asked} foretold ({probability})"
