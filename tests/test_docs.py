"""The code in the documents runs as it is printed, with studies made small."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import explainfb
from explainfb import (
    ARMS,
    BUILDERS,
    Answer,
    ClipStudy,
    Comparison,
    GridSettings,
    Preference,
    Study,
    StudyResults,
    StudySettings,
)
from explainfb.classifiers.classifier import load_classifier
from explainfb.testing.tiny import TINY

DOCS = Path(__file__).parents[1] / "docs"


def code(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / document).read_text(encoding="utf-8"), flags=re.DOTALL)


def run(text: str, document: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, document, "exec"), names)
    return names


def small(**given: Any) -> StudySettings:
    """One round of TINY, but for the controls and the training that a document gives."""
    little = replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)
    kept = {name: value for name, value in given.items() if name in ("controls", "training")}
    return replace(TINY, **({"rounds": 1, "evaluation": little, "controls": ()} | kept))


@pytest.fixture
def small_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which studies are small; what a document registers is forgotten afterwards."""
    monkeypatch.setattr(explainfb, "StudySettings", small)
    monkeypatch.setattr(explainfb, "GridSettings", lambda folder, seeds: GridSettings(folder=folder, seeds=2, jobs=1))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    ARMS.pop("label_smoothing", None)
    for name in ("mine", "linear"):
        BUILDERS.pop(name, None)


def test_the_tutorial_repairs_a_classifier(small_studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("\n".join(code("tutorial.md")), "tutorial.md")
    accuracy, shifted = names["accuracy"], names["task"].shifted
    assert accuracy(names["classifier"], shifted) < 0.5
    assert accuracy(names["repaired"], shifted) > 0.9
    for name in ("before.png", "after.png"):
        with Image.open(small_studies / name) as picture:
            assert picture.size == (2 * 224 + 8, 224)
    assert isinstance(names["results"], StudyResults)
    printed = capsys.readouterr().out
    assert "torch.Size([1209, 1, 28, 28]) 10" in printed


def test_an_explanation_is_looked_at(small_studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("\n".join(code("look.md")).replace("4000", "400"), "look.md")
    assert names["why_not_nine"].target == 9
    assert capsys.readouterr().out.startswith("class 4, probability 1.00; superpixel 27: +0.2")
    for name in ("why.png", "strongest.png"):
        with Image.open(small_studies / name) as picture:
            assert picture.width > 700


def test_the_doctor_finds_the_bugs_of_its_tutorial(small_studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("\n".join(code("doctor.md")), "doctor.md")
    assert all(finding.passed for finding in names["findings"])
    printed = capsys.readouterr().out
    assert "['labels follow images']\n['gradients reach parameters']" in printed
    assert (small_studies / "looks/fed-images.png").is_file()


def test_the_results_of_a_study_are_read_as_records(small_studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Study.open("studies/first", small()).run()
    results = run(code("running.md")[0], "running.md")["results"]
    assert str(results.before.shifted_accuracy.estimate) in capsys.readouterr().out


def test_cells_of_a_grid_are_compared(small_studies: Path) -> None:
    summary = run(code("sweeps.md")[0], "sweeps.md")["summary"]
    assert list(summary.cells) == ["as it is", "250 answers"]
    assert (small_studies / "studies/answers/grid.json").is_file()


def test_a_network_of_ones_own_is_attacked() -> None:
    (text,) = code("robustness.md")
    names = run(text, "robustness.md")
    (found,) = names["measured"].robust
    assert found.n == 20
    assert len(found.attacks) >= 9


def test_a_study_starts_from_a_network_of_ones_own(small_studies: Path) -> None:
    names = run(code("extending.md")[0], "extending.md")
    first = load_classifier(small_studies / "studies/mine/classifiers/round-0.safetensors")
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(images), names["network"](images))
    assert set(names["results"].arms) == {"before", "cross_entropy", "random_exchange", "feedback"}
    assert names["results"].settings["training.classifier"] == "mine"


def test_an_arm_of_ones_own_stands_beside_feedback(small_studies: Path) -> None:
    arms = run(code("extending.md")[1], "extending.md")["results"].arms
    assert set(arms) == {"before", "cross_entropy", "label_smoothing", "feedback"}
    assert arms["label_smoothing"].compute == arms["cross_entropy"].compute
    ends = [
        small_studies / f"studies/smoothed/controls/{name}/classifiers/round-1.safetensors"
        for name in ("cross_entropy", "label_smoothing")
    ]
    assert ends[0].read_bytes() != ends[1].read_bytes()


def test_people_are_asked_about_clips_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answered(study: ClipStudy, asked: list[Comparison]) -> list[Preference]:
        study.store.add_comparisons(asked, seed=0)
        now = datetime.now(UTC)
        said = [Preference(item, Answer.LEFT, name, 0, now, now) for item in asked for name in ("Ada", "Bob")]
        study.store.record(said)
        return wait(study, asked)

    wait = ClipStudy.ask
    monkeypatch.setattr(ClipStudy, "ask", answered)
    monkeypatch.chdir(tmp_path)
    run("\n".join(code("people.md")), "people.md")
    printed = capsys.readouterr().out
    assert "explainfb label --study studies/walker" in printed
    assert printed.endswith("['left', 'left', 'left', 'left']\n")


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (DOCS / target).exists()] == []
