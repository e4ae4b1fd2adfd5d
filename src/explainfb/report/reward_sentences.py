"""What the answers taught, in sentences: how many answers the reward predicts, and why it was followed or not."""

from collections.abc import Mapping

from explainfb.core.types import OutOfBagTest
from explainfb.report.number_format import percent
from explainfb.report.stopped_rounds import not_followed
from explainfb.results.records import StudyResults

LEAST = 0.001
"""A smaller probability is not written out."""


def held_out_sentence(results: StudyResults) -> str:
    """`The learned reward predicts 78 of the 86 held-out answers, 90.7 % (…)`; empty where none was held out."""
    accuracy = results.preferences.reward_accuracy
    if accuracy is None:
        return ""
    share, of = accuracy.estimate, results.preferences.rounds[-1].held_out
    how_many = f"{round(share * of)} of the {of} held-out answers, {percent(share)}" if of else percent(share)
    interval = f"(95 % interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
    return f"The learned reward predicts {how_many} {interval}."


def both_bad_sentence(results: StudyResults) -> str:
    """`Of 240 answers, 31 (12.9 %) said that both explanations are bad`; empty where nobody could or did say so."""
    said, of = results.preferences.both_bad, results.preferences.answers
    asked_people = results.settings.get("annotator") == "human"
    if said is None or not of or not (said or asked_people):
        return ""
    return (
        f"Of {of:,} answers, {said:,} ({percent(said / of)}) said that both explanations are bad. They teach a tie, as "
        "“no difference” and “both good” do: a reward learns which is better, not whether either is good."
    )


def followed_sentence(results: StudyResults, predicted: Mapping[int, OutOfBagTest]) -> str:
    """Why each round's reward was followed or not; empty where nobody knows.

    `predicted` has what the best member of each round's ensemble predicted; rounds may lack.
    """
    needed = results.settings.get("finetune.significance")
    if needed == 1:
        return "Each round followed its reward, whatever the evidence."
    rounds = [each.round for each in results.preferences.rounds]
    if not isinstance(needed, float) or not rounds:
        return ""
    ignored = {stop.round for stop in not_followed(results)}
    told = [_round(number, predicted.get(number), followed=number not in ignored) for number in rounds]
    return (
        "A round follows its reward only if its best member predicts more of the answers that it was not fitted to "
        f"than it would of a coin’s, with p ≤ {needed:g}, corrected for the number of members: {'; '.join(told)}."
    )


def _round(number: int, best: OutOfBagTest | None, *, followed: bool) -> str:
    what = "followed" if followed else "not followed"
    if best is None:
        return f"round {number} {what}"
    probability = f"p = {best.p_value:.2g}" if best.p_value >= LEAST else f"p < {LEAST:g}"
    return f"round {number} {what}, with {best.right} of {best.asked} predicted ({probability})"
