"""Rewards of closed rounds learned anew, after somebody whose answers they were fitted to was left out or forgotten."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from explainfb.core.manifest import note_removed, noted_beside
from explainfb.preferences.gathering import REFIT_THROUGH
from explainfb.store import AnnotatorEvent, Kind, Store
from explainfb.study.arm_folder import ANSWERS, ArmFolder
from explainfb.study.folder import RESULTS


@dataclass(frozen=True)
class Refit:
    """What would change."""

    first: int | None
    """The first round whose reward was fitted to other answers than count now; None where there is none."""
    last: int
    """The last round with a reward; 0 where there is none."""
    reasons: tuple[str, ...]
    """In sentences."""

    def __str__(self) -> str:
        if self.first is None:
            return "Every reward was fitted to the answers that count now, so there is nothing to learn anew."
        rounds = f"round {self.first}" if self.first == self.last else f"rounds {self.first} to {self.last}"
        return (
            f"{' '.join(self.reasons)} The reward and the classifier of {rounds} are made anew without asking anybody, "
            "and what was measured on the last classifier is measured again."
        )


def plan_refit(folder: Path, store: Store) -> Refit:
    """What changed since rewards of the study in `folder` were fitted."""
    events, gone = store.annotators.events(), store.annotators.forgotten().people
    now = _left_out(events, None)
    given = Counter(
        (each.annotator, each.comparison.comparison.round)
        for each in store.answers()
        if each.current and each.answer is not None and not each.surplus
    )
    changed: dict[int, set[str]] = {}
    fewer: dict[int, int] = {}
    latest = _last_fits(folder)
    for number, (event, forgotten) in latest.items():
        others = now ^ _left_out(events, event)
        changed[number] = {name for name in others if any(given[name, each] for each in range(1, number + 1))}
        fewer[number] = gone - forgotten
    touched = [number for number in sorted(latest) if changed[number] or fewer[number]]
    if not touched:
        return Refit(None, max(latest, default=0), ())
    first, last = touched[0], max(latest)
    people = sorted(set[str]().union(*changed.values()))
    reasons = [
        f"The {sum(given[name, each] for each in range(1, last + 1))} answers of {name} "
        f"{'no longer' if name in now else 'now'} count."
        for name in people
    ]
    if most := max(fewer.values()):
        reasons.append(f"{most} {'person was' if most == 1 else 'people were'} forgotten since.")
    return Refit(first, last, tuple(reasons))


def _last_fits(folder: Path) -> dict[int, tuple[int, int]]:
    """Of each round with a reward: the last event on record when it was fitted, and how many were forgotten then."""
    found: dict[int, tuple[int, int]] = {}
    for name in noted_beside(folder / ANSWERS):
        _, _, _, number, _, until, _, forgotten = name.removeprefix(ANSWERS).split("-")
        at = int(until.split(".")[1]), int(forgotten.split(".")[0])
        found[int(number)] = max(found.get(int(number), at), at)  # of a round that was learned twice, the last time
    return found


def prepare_refit(folder: Path, store: Store, refit: Refit) -> None:
    """Remove what the next run is to make anew; the rounds that are closed stay so."""
    if refit.first is None:
        return
    store.write_setting(REFIT_THROUGH, str(refit.last))
    files = ArmFolder(folder)
    for number in range(refit.first, refit.last + 1):
        reward = files.reward_path(number)
        # the classifier last, without which a round is not done
        for path in (*sorted(reward.parent.glob(f"{reward.stem}.*")), files.classifier_path(number)):
            _remove(path)
        files.save_stopped(number, None)
    _remove(folder / "evaluations" / "feedback.safetensors")
    _remove(folder / RESULTS)


def _remove(path: Path) -> None:
    if path.is_file():
        note_removed(path)
        path.unlink()


def _left_out(events: list[AnnotatorEvent], until: int | None) -> set[str]:
    """Who was left out of the fit when event `until` was the last one, or now."""
    found: set[str] = set()
    for event in events:
        if until is not None and event.id > until:
            break
        if event.kind is Kind.EXCLUDED:
            found.add(event.annotator)
        elif event.kind is Kind.INCLUDED:
            found.discard(event.annotator)
    return found
