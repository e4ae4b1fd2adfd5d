"""The code in the documents runs as it is printed, with studies made tiny."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import explainfb
from explainfb import StudySettings
from explainfb.classifiers.classifier import load_classifier
from explainfb.classifiers.networks import BUILDERS
from explainfb.study.arms import ARMS
from explainfb.testing.tiny import TINY

DOCS = Path(__file__).parents[1] / "docs"


def code(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / document).read_text(encoding="utf-8"), flags=re.DOTALL)


def run(text: str, document: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, document, "exec"), names)
    return names


@pytest.fixture
def tiny_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Studies have one round of TINY, but for what the document gives; what it registers is forgotten afterwards."""

    def settings(**given: Any) -> StudySettings:
        little = replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)
        return replace(TINY, rounds=1, evaluation=little, **given)

    monkeypatch.setattr(explainfb, "StudySettings", settings)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    ARMS.pop("label_smoothing", None)
    BUILDERS.pop("mine", None)


def test_a_network_of_ones_own_is_attacked() -> None:
    (text,) = code("robustness.md")
    assert 6 <= len([line for line in text.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    names = run(text, "robustness.md")
    (found,) = names["measured"].robust
    assert found.n == 20
    assert len(found.attacks) >= 9


def test_a_study_starts_from_a_network_of_ones_own(tiny_studies: Path) -> None:
    names = run(code("extending.md")[0], "extending.md")
    first = load_classifier(tiny_studies / "studies/mine/classifiers/round-0.safetensors")
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(images), names["network"](images))
    assert set(names["results"]["controls"]) == {"cross_entropy", "random_exchange"}
    assert names["results"]["settings"]["training.classifier"] == "mine"


def test_an_arm_of_ones_own_stands_beside_feedback(tiny_studies: Path) -> None:
    names = run(code("extending.md")[1], "extending.md")
    results = names["results"]
    assert set(results["controls"]) == {"cross_entropy", "label_smoothing"}
    assert results["budget"]["label_smoothing"] == results["budget"]["cross_entropy"]
    ends = [
        tiny_studies / f"studies/smoothed/controls/{name}/classifiers/round-1.safetensors"
        for name in ("cross_entropy", "label_smoothing")
    ]
    assert ends[0].read_bytes() != ends[1].read_bytes()


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (DOCS / target).exists()] == []
