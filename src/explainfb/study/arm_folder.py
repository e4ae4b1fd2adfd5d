"""Where an arm keeps the files of its rounds, and reading them; nothing here computes or asks anything."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from explainfb.classifiers.classifier import Classifier, load_classifier
from explainfb.core.errors import InputError
from explainfb.core.manifest import note, note_removed, noted_beside
from explainfb.core.types import OutOfBagTest
from explainfb.explanations.storage import Explanations, explanations_path, load_explanations
from explainfb.results.json_file import read_stopped, write_stopped
from explainfb.results.records import Stopped
from explainfb.rewards.ensemble import RewardEnsemble, load_ensemble
from explainfb.rewards.validation import load_out_of_bag_test, out_of_bag_test_path
from explainfb.store import Store

CLASSIFIERS = "classifiers"
ANSWERS, ASKED = "answers", "asked"
"""How the manifest's names for what was on record when a reward was fitted, and for what was asked, begin."""
NO_ANSWERS = "0.0.0.0"
"""For a fingerprint of what was asked alone: the answers to it come later."""


@dataclass(frozen=True)
class ArmFolder:
    """The files of one arm: the study's own folder for feedback, `controls/NAME` for every other arm."""

    path: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where what is read is brought to."""

    def classifier_path(self, number: int) -> Path:
        """The classifier after round `number`; 0 is the one before any feedback."""
        return self.path / CLASSIFIERS / f"round-{number}.safetensors"

    def explanations_path(self, number: int) -> Path:
        """What round `number` compares."""
        return explanations_path(self.path, number)

    def reward_path(self, number: int) -> Path:
        """The reward learned in round `number`."""
        return self.path / "reward" / f"round-{number}.safetensors"

    def curves_path(self, number: int) -> Path:
        """TensorBoard's curves of round `number`."""
        return self.path / "tensorboard" / f"round-{number}"

    def classifier(self, number: int) -> Classifier:
        """The classifier after round `number`, on the device."""
        return load_classifier(self.classifier_path(number)).to(self.device)

    def ensemble(self, number: int) -> RewardEnsemble:
        """The reward learned in round `number`, on the device."""
        return load_ensemble(self.reward_path(number), lambda: self.classifier(0)).to(self.device)

    def has_out_of_bag_test(self, number: int) -> bool:
        """Whether round `number` has the test of its reward beside it; rounds of early studies have none."""
        return out_of_bag_test_path(self.reward_path(number)).is_file()

    def out_of_bag_test(self, number: int) -> OutOfBagTest:
        """How well the reward of round `number` predicts answers that it was not fitted to."""
        return load_out_of_bag_test(self.reward_path(number))

    def note_asked(self, store: Store, number: int) -> None:
        """Write down what rounds 1 … `number` ask, which people may be answering for weeks."""
        name = self.path / f"{ASKED}-1-to-{number}"
        if name.name not in noted_beside(self.path / ASKED):
            note(name, store.fingerprint(number, NO_ANSWERS).digest)

    def note_answers(self, store: Store, number: int) -> None:
        """Write down what was on record when the reward of round `number` was fitted."""
        gone, taken = store.gone(), store.fingerprint(number)
        if store.gone() == gone:  # else somebody was forgotten meanwhile, before or after it was taken
            note(self.path / f"{ANSWERS}-1-to-{number}-until-{taken.until}-forgotten-{gone}", taken.digest)

    def forget_answers(self) -> None:
        """Let what was written down of a database go that is not there any more, and is to be made anew."""
        for name, digests in (noted_beside(self.path / ASKED) | noted_beside(self.path / ANSWERS)).items():
            if digests:
                note_removed(self.path / name)

    def check_answers(self, store: Store) -> None:
        """Raise `InputError` where what was asked, or on record when a reward was fitted, is not there as it was.

        Nothing can be said of what was on record before somebody was forgotten, whose rows are gone as they should be.
        """
        damaged = f"The database of {self.path} is damaged, or is an older copy: what it has of rounds 1 to"
        for name, digests in noted_beside(self.path / ASKED).items():
            number = name.rpartition("-")[2]
            if digests and store.fingerprint(int(number), NO_ANSWERS).digest not in digests:
                raise InputError(f"{damaged} {number} is not what was asked; restore it from a copy.")
        for name, digests in noted_beside(self.path / ANSWERS).items():
            _, _, _, number, _, until, _, then = name.removeprefix(ANSWERS).split("-")
            if not digests or then != store.gone():
                continue
            # looked at again: somebody may be forgotten just now
            if store.fingerprint(int(number), until).digest not in digests and then == store.gone():
                raise InputError(f"{damaged} {number} is not what a reward was fitted to; restore it from a copy.")

    def explanations(self, through: int) -> Explanations:
        """What rounds 1 … `through` compare."""
        found: Explanations = {}
        for number in range(1, through + 1):
            found |= load_explanations(self.explanations_path(number))
        return found

    def stopped(self) -> tuple[Stopped, ...]:
        """The rounds that did not run to their end."""
        # .txt in studies of before, in which a sentence stood
        paths = [path for end in ("json", "txt") for path in self.path.glob(f"{CLASSIFIERS}/*.stopped.{end}")]
        return tuple(sorted(map(read_stopped, paths), key=lambda stop: stop.round))

    def save_stopped(self, number: int, stopped: Stopped | None) -> None:
        """Write why round `number` did not run to its end, if so, in place of what an earlier attempt wrote."""
        path = self.classifier_path(number)
        for stale in path.parent.glob(f"{path.stem}.stopped.*"):
            note_removed(stale)
            stale.unlink()
        if stopped is not None:
            write_stopped(stopped, path.with_suffix(".stopped.json"))

    @property
    def last_classifier_path(self) -> Path:
        """The classifier of the latest round that is done. Raises `InputError` when there is none."""
        paths = list((self.path / CLASSIFIERS).glob("round-*.safetensors"))
        if not paths:
            raise InputError(f"The study in {self.path} has no classifier yet; run it first.")
        # by number: by name round-10 would come before round-9
        return max(paths, key=lambda path: int(path.stem.removeprefix("round-")))
