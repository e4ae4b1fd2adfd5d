"""What did not run to its end, arm by arm, in sentences."""

from explainfb.results.records import FEEDBACK, Stopped, StopReason, StudyResults


def unfinished(results: StudyResults) -> list[str]:
    """What stopped of feedback itself, or of an arm that is not known: a reader must see it first."""
    return [sentence(stop) for stop in _by_round(results) if stop.arm in (FEEDBACK, "")]


def not_followed(results: StudyResults, arm: str = FEEDBACK) -> list[Stopped]:
    """The rounds of `arm` that left the classifier as it was, because their reward was not followed."""
    return [stop for stop in _by_round(results) if stop.arm == arm and stop.reason is StopReason.NOT_FOLLOWED]


def about(results: StudyResults, arm: str) -> str:
    """What stopped of an arm other than feedback, in sentences; empty where nothing did."""
    ignored = not_followed(results, arm)
    others = [stop for stop in _by_round(results) if stop.arm == arm and stop not in ignored]
    parts = [sentence(stop) for stop in others]
    if ignored:
        coin = ", as is to be expected of a coin" if arm == "random_answers" else ""
        rounds = _share(len(ignored), len(results.preferences.rounds))
        last = what_was_predicted(ignored[-1])
        parts.insert(0, f"Its reward was not followed in {rounds}{coin}; in the last of them {last}")
    return " ".join(parts)


def why(stop: Stopped) -> str:
    """Why a round did not run to its end, in a sentence."""
    match stop.reason:
        case StopReason.NOT_FOLLOWED:
            return f"The reward was not followed: {what_was_predicted(stop)}"
        case StopReason.NOT_FINITE:
            return f"Fine-tuning stopped at step {stop.step}: the loss or its gradient was not finite."
        case StopReason.UNKNOWN:
            return stop.message


def what_was_predicted(stop: Stopped) -> str:
    """How many answers the reward predicted that was not followed: a clause and a full stop."""
    if stop.test is None:
        return stop.message or "the reason was not recorded."
    who = "it" if stop.members in (None, 1) else f"the best of its {stop.members} members"
    return (
        f"{who} predicts {stop.test.right} of {stop.test.asked} answers that it was not fitted to, which could be "
        "chance."
    )


def _by_round(results: StudyResults) -> list[Stopped]:
    return sorted(results.stopped, key=lambda stop: stop.round)


def sentence(stop: Stopped) -> str:
    """What happened in which round, without the arm."""
    return f"Round {stop.round}: {why(stop)}" if stop.round else why(stop)


def _share(some: int, of: int) -> str:
    return "its only round" if some == of == 1 else f"{some} of {of} rounds"
