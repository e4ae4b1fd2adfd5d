"""A study of photographs in ten lines, as the README has it, and what a study is declared to be decided by."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import explainfb as fb
from explainfb.classifiers.classifier import load_classifier
from explainfb.core.types import Interval
from explainfb.report.measures import deciding
from explainfb.report.verdict import reach_verdict
from explainfb.results.measures import ECE, WORST_GROUP
from explainfb.statistics.intervals import worst_group_difference
from explainfb.study.starting.beginning import settings_for
from explainfb.study.starting.declared import check_decides
from explainfb.testing.tiny import TINY
from results_example import example_results

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


class Small(nn.Module):
    """What somebody may have trained: two blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 6, 5, stride=4, padding=2), nn.BatchNorm2d(6), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.two(self.one(x)).mean((2, 3)))
        return found


def write_pets(root: Path, each: int = 30) -> None:
    random = np.random.default_rng(0)
    for place, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = random.integers(40, 120, (48, 64, 3), dtype=np.uint8)
            pixels[12:36, 20:44, place] += 90
            Image.fromarray(pixels).save(root / name / f"{number}.png")


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the ten lines leave to defaults take seconds."""
    study = replace(TINY, rounds=1, comparisons_per_round=10, controls=("no_shortcut",), decides="ece")
    monkeypatch.setattr("explainfb.study.starting.beginning.PHOTOGRAPHS", study)
    training = fb.TrainingSettings(steps=10, batch_size=8, validate_every=5, body_rate=0.1)
    lime = fb.LimeSettings(n_samples=20, fill="zero")
    defaults = ((fb.Network.transfer, training), (fb.aggrieve, fb.AdvGANSettings(steps=2)), (fb.pick, lime))
    for function, small in (*defaults, (fb.explain, lime)):
        monkeypatch.setitem(function.__kwdefaults__, "settings", small)


@pytest.mark.timeout(900)
def test_the_ten_lines_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lines,) = re.findall(r"```py\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_pets(Path("pets"))
    shutil.copy("pets/dog/1.png", "dog.jpg")  # Pillow goes by what is in it
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = {f"module.{name}": tensor for name, tensor in Small().state_dict().items()}
        torch.save({"state_dict": weights}, "efficientnet_lite0.pth")
    make_small(monkeypatch)
    names: dict[str, Any] = {"lite0": Small}
    exec(lines.replace("preprocess=fb.IMAGENET", "preprocess=fb.IMAGENET, size=64"), names)
    model, adversary, study = (names[name] for name in ("model", "adversary", "study"))
    results = study.run()

    for picture in ("dog.png", "look-at-these-first.png"):
        assert Path(picture).stat().st_size > 1000
    assert adversary.threat_model.epsilon == 8 / 255
    place = Path("studies/pets/classifiers")
    first, last = (load_classifier(place / f"round-{number}.safetensors") for number in (0, 1))
    assert torch.equal(first.network.head.weight, model.network.head.weight.cpu())
    for name, tensor in first.network.state_dict().items():
        if not name.startswith("head"):
            assert torch.equal(tensor, last.network.state_dict()[name]), name
    assert set(results.arms) == {"before", "feedback", "no_shortcut"}
    assert results.settings["plant"] == "Watermark(text='© {class}', size=0.12)"
    assert deciding(results) == ECE
    again = fb.Study.open("studies/pets")
    assert again.run().before.shifted_accuracy == results.before.shifted_accuracy
    page = Path("studies/pets/report/index.html").read_text()
    assert "calibration error" in page


def test_defaults_suit_the_images() -> None:
    task = fb.load_task("digits", train_images=100)
    model = fb.train(task, settings=fb.TrainingSettings(steps=1))
    assert settings_for(task, model, None).evaluation.linf == fb.EvaluationSettings().linf
    with pytest.raises(fb.InputError, match="was made by hand"):
        settings_for(replace(task, recipe=None), model, None)
    assert max(fb.PHOTOGRAPHS.evaluation.linf) == 8 / 255


def test_what_decides_must_be_there_and_see_the_shortcut() -> None:
    plain, decoy = fb.load_task("digits", train_images=100), fb.load_task("digits-decoy", train_images=100)
    with pytest.raises(fb.InputError, match="needs images whose shortcut misleads"):
        check_decides(fb.StudySettings(decides="worst_group_accuracy"), plain)
    for blind in ("robust_accuracy", "clean_accuracy"):
        with pytest.raises(fb.InputError, match="does not see what the shortcut does"):
            check_decides(fb.StudySettings(decides=blind), decoy)  # type: ignore[arg-type]
    check_decides(fb.StudySettings(decides="worst_group_accuracy"), decoy)
    check_decides(fb.StudySettings(), plain)


def test_the_first_sentence_answers_by_the_declared_measure() -> None:
    results = example_results()
    declared = replace(results, settings={**results.settings, "decides": "ece"})
    assert deciding(declared) == ECE
    assert "the calibration error fell" in reach_verdict(declared).sentence
    worst = replace(results, settings={**results.settings, "decides": "worst_group_accuracy"})
    assert deciding(worst) == WORST_GROUP


def test_the_worst_groups_difference_by_brute_force() -> None:
    """Two labels of two groups, 12 images each: which group is the worst changes, and its interval has the truth."""
    labels = np.repeat([0, 1], 24)
    groups = np.repeat([0, 1, 2, 3], 12)
    before = np.array([1.0] * 12 + [0.0] * 9 + [1.0] * 3 + [1.0] * 24)
    after = np.array([1.0] * 12 + [1.0] * 12 + [0.0] * 6 + [1.0] * 18)
    found = worst_group_difference(after, before, labels, groups, seed=0)
    assert found.estimate == pytest.approx(0.5 - 0.25)
    assert -0.1 < found.low < found.estimate < found.high < 0.7
    same = worst_group_difference(before, before, labels, groups, seed=0)
    assert same == Interval(0.0, 0.0, 0.0)
