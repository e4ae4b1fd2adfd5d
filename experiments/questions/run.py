"""Which question teaches most, by the answer and by the minute of a person's time?

    python -m experiments.questions.run

The loop on `digits-decoy`, answered by an annotator who judges as people do, once for each kind of question and seed.
After each round stands the accuracy on images whose shortcut misleads, how many answers were given so far, and how long
the annotator took. Stopped and started again it goes on; results.json is written after every study.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from experiments.page import write_json, write_page
from experiments.questions.page import page_of
from explainfb.classifiers.classifier import load_classifier, save_classifier
from explainfb.classifiers.training import predict_logits
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.preferences.settings import QuerySettings
from explainfb.results.records import FEEDBACK
from explainfb.rewards.settings import RewardSettings
from explainfb.robustness.settings import BRIEF
from explainfb.store import Store
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.settings import StudySettings, command_line
from explainfb.study.study import Study
from explainfb.tasks.task import Split

ASKED = StudySettings(
    judgement="random_utility",
    rounds=3,
    comparisons_per_round=60,
    queries=QuerySettings(strategy="random"),
    lime=LimeSettings(n_samples=256, control_variate=True),
    reward=RewardSettings(members=3, steps=100),
    evaluation=EvaluationSettings(
        linf=(0.1,), l2=(), attack_images=20, explain_images=20, faithfulness_images=0, attacks=BRIEF
    ),
    controls=(),
)
"""Three rounds of 60 answers about what is drawn at random, so that only the question differs. Fewer masks, members and
steps than usual, to be affordable."""
QUESTIONS = {
    "compare": ASKED,
    "superpixels": replace(ASKED, queries=replace(ASKED.queries, compared="superpixels")),
    "rank": replace(ASKED, question="rank"),
    "yes-no": replace(ASKED, question="yes-no"),
    "point": replace(ASKED, question="point"),
}
"""By what results.json calls them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """On which seeds it is run, and where."""

    seeds: int = 5
    first_seed: int = 11
    """Those of label_efficiency, whose controls are the same here, since they ask nobody."""
    questions: tuple[str, ...] = tuple(QUESTIONS)
    """Which of them: compare, superpixels, rank, yes-no, point."""
    folder: Path = Path("studies/questions")


def shifted_accuracy(study: Study, split: Split, round_number: int) -> float:
    """Of the classifier after this round."""
    logits = predict_logits(study.context.feedback_folder.classifier(round_number), split.images)
    return float((logits.argmax(1) == split.labels).double().mean())


def measure(folder: Path, settings: StudySettings, twin: Path) -> dict[str, Any]:
    """Run the study, with the classifier of its twin where that is trained; what came after each of its rounds."""
    study = Study.open(folder, settings)
    first, trained = (ArmFolder(each).classifier_path(0) for each in (folder, twin))
    if trained.is_file() and not first.is_file():
        save_classifier(load_classifier(trained), first)
    results = study.run()
    assert study.task.shifted is not None
    rounds = range(settings.rounds + 1)
    with Store(study.database) as store:
        given = [store.preferences(range(1, number + 1), gold=False) for number in rounds]
    return {
        "command": command_line(settings),
        "shifted": [round(shifted_accuracy(study, study.task.shifted, number), 4) for number in rounds],
        "answers": [len(each) for each in given],
        "seconds": [
            round(sum((answer.responded_at - answer.shown_at).total_seconds() for answer in each), 1) for each in given
        ],
        "cant_tell": sum(answer.answer == "cant_tell" for answer in given[-1]),
        "not_followed": [stopped.round for stopped in results.stopped if stopped.arm == FEEDBACK],
    }


def wanted(settings: Settings) -> Iterator[tuple[str, int]]:
    """Seed by seed, so that whenever it is stopped every question has been asked as often."""
    for seed in range(settings.first_seed, settings.first_seed + settings.seeds):
        yield from ((question, seed) for question in settings.questions)


def main(settings: Settings) -> None:
    console, path = Console(), settings.folder / "results.json"
    settings.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for question, seed in wanted(settings):
        if str(seed) in found.get(question, {}):
            continue
        study = replace(QUESTIONS[question], seed=seed)
        measured = measure(settings.folder / f"{question}-{seed}", study, settings.folder / f"compare-{seed}")
        found.setdefault(question, {})[str(seed)] = measured
        write_json(found, path)
        console.print(f"{question}, seed {seed}: {measured['shifted']}")
    write_page(page_of(path), settings.folder)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
