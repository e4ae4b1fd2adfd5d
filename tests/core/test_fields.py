"""A setting holds a value of its own kind, and what is nearly right is refused where it is given."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch

from explainfb import (
    AttackSettings,
    BaselineSettings,
    EvaluationSettings,
    FinetuneSettings,
    InputError,
    LimeSettings,
    QuerySettings,
    RewardSettings,
    Split,
    StudySettings,
    ThreatModel,
    TrainingSettings,
    explain,
    load_task,
    robust_accuracy,
    train,
)
from explainfb.core.seeding import derive
from explainfb.study.settings import command_line
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.tiny import ATTACKS


@pytest.mark.parametrize(
    ("settings", "wrong", "complaint"),
    [
        (QuerySettings, {"strategy": "margin"}, r"queries\.strategy is one of disagreement, random; found 'margin'"),
        (RewardSettings, {"scale": "logits"}, r"reward\.scale is one of share, probability; found 'logits'"),
        (BaselineSettings, {"wrong_masks": "none"}, r"baselines\.wrong_masks is one of .*; found 'none'"),
        (StudySettings, {"annotator": "Human"}, "annotator is one of simulated, human; found 'Human'"),
    ],
)
def test_a_word_that_is_no_choice_is_refused(settings: type, wrong: dict[str, Any], complaint: str) -> None:
    """`annotator="Human"` waited for people for ever, and an unknown strategy asked at random."""
    with pytest.raises(InputError, match=complaint):
        settings(**wrong)


SETTINGS = [
    AttackSettings,
    BaselineSettings,
    EvaluationSettings,
    FinetuneSettings,
    LimeSettings,
    QuerySettings,
    RewardSettings,
    StudySettings,
    TrainingSettings,
]
CHOICES = [
    (kind, name)
    for kind in SETTINGS
    for name, said in get_type_hints(kind).items()
    if get_origin(said) is Literal and all(isinstance(word, str) for word in get_args(said))
]
WHOLE = [(kind, item.name) for kind in SETTINGS for item in fields(kind) if type(getattr(kind(), item.name)) is int]
REAL = [(kind, item.name) for kind in SETTINGS for item in fields(kind) if type(getattr(kind(), item.name)) is float]
SEVERAL = [(kind, name) for kind, name in [(StudySettings, "crowd"), (EvaluationSettings, "linf")]]


@pytest.mark.parametrize(("kind", "name"), CHOICES)
@pytest.mark.parametrize("wrong", ["", "People", 1, None, ("human",)])
def test_every_choice_is_among_those_there_are(kind: type, name: str, wrong: object) -> None:
    with pytest.raises(InputError, match=rf"{name} is one of .*; found {re.escape(repr(wrong))}"):
        kind(**{name: wrong})


@pytest.mark.parametrize(("kind", "name"), WHOLE)
@pytest.mark.parametrize("wrong", [1.5, 20.0, "2", None, True, float("nan"), (4,)])
def test_a_whole_number_is_nothing_else(kind: type, name: str, wrong: object) -> None:
    if (kind, name) == (StudySettings, "lease_minutes"):
        return  # minutes may be halved
    with pytest.raises(InputError, match=rf"{name} is a whole number.*; found {re.escape(repr(wrong))}\."):
        kind(**{name: wrong})


@pytest.mark.parametrize(("kind", "name"), REAL)
@pytest.mark.parametrize("wrong", ["0.1", None, True, float("nan"), float("inf"), -float("inf"), (0.1,), 0.1j])
def test_a_number_is_finite_and_nothing_else(kind: type, name: str, wrong: object) -> None:
    with pytest.raises(InputError, match=rf"{name} is a (finite )?number; found"):
        kind(**{name: wrong})


@pytest.mark.parametrize("wrong", [0, -1, 1e9, 1e300])
def test_a_comparison_is_kept_for_no_longer_than_clocks_go(wrong: float) -> None:
    with pytest.raises(InputError, match="--lease-minutes is more than 0 and at most 525,600"):
        StudySettings(lease_minutes=wrong)


@pytest.mark.parametrize("wrong", [0.1, "0.1", (0.1, "0.2"), (0.1, None), {0.1}])
@pytest.mark.parametrize(("kind", "name"), SEVERAL)
def test_several_numbers_are_several_numbers(kind: type, name: str, wrong: object) -> None:
    with pytest.raises(InputError, match=rf"{name} is several values"):
        kind(**{name: wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": 3},
        {"training": {"steps": 3}},
        {"controls": "rrr"},
        {"controls": (1,)},
        {"weights": 1},
        {"lime": TrainingSettings()},
    ],
)
def test_a_record_or_a_text_is_nothing_else(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        StudySettings(**wrong)


def test_numpys_numbers_are_taken_and_written_as_any_others(tmp_path: Path) -> None:
    given = StudySettings(
        rounds=np.int32(2),
        seed=np.int64(3),
        gold=np.float64(0.25),
        error_rate=np.float32(0.5),
        crowd=np.array([0.25, 0.5]),
        lime=LimeSettings(control_variate=np.bool_(True), n_samples=np.int64(64)),
        evaluation=EvaluationSettings(linf=[np.float32(0.125)], l2=[]),
    )
    plain = StudySettings(
        rounds=2,
        seed=3,
        gold=0.25,
        error_rate=0.5,
        crowd=(0.25, 0.5),
        lime=LimeSettings(control_variate=True, n_samples=64),
        evaluation=EvaluationSettings(linf=(0.125,), l2=()),
    )
    write_settings(given, tmp_path / "study.toml")
    assert given == plain == read_settings(tmp_path / "study.toml")
    assert command_line(given) == command_line(plain)
    assert derive(np.int64(3), "a") == derive(3, "a")


@pytest.mark.parametrize("seed", [0.0, 1.5, "0", True, None])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    """0.0 and True drew other numbers than 0 and 1."""
    with pytest.raises(InputError, match="A seed is a whole number"):
        derive(seed, "a")


@pytest.mark.parametrize("epsilon", [8, 1.01, -0.1, float("nan"), float("inf"), "0.1", None])
def test_an_epsilon_is_a_change_of_pixels_up_to_1(epsilon: Any) -> None:
    with pytest.raises(InputError, match="epsilon"):
        ThreatModel("linf", epsilon)


def test_an_epsilon_of_pixels_up_to_255_is_told_how_to_be_given() -> None:
    with pytest.raises(InputError, match=r"found 8\. If it is of pixels from 0 to 255, give 8 / 255"):
        EvaluationSettings(linf=(0.1, 8))
    assert ThreatModel("linf", np.float32(0.5)) == ThreatModel("linf", 0.5)
    assert ThreatModel("l2", 8).epsilon == 8  # the length of a change of all pixels


def test_a_task_is_asked_for_in_whole_numbers() -> None:
    for wrong in ({"train_images": 50.0}, {"image_size": 8.5}, {"train_images": 3}, {"image_size": 0}):
        with pytest.raises(InputError, match=r"must be at least|is a whole number"):
            load_task("digits", **wrong)  # type: ignore[arg-type]
    assert len(load_task("digits", train_images=np.int64(50)).train) == 50


def test_images_and_labels_are_taken_in_any_kind_of_number() -> None:
    plain = load_task("digits", train_images=30)
    images, labels = plain.train.images, plain.train.labels
    for given in (
        Split(images.double(), labels.int()),
        Split(images.numpy().astype(np.float64), labels.numpy().astype(np.int32)),  # type: ignore[arg-type]
    ):
        assert torch.equal(given.images, images)
        assert torch.equal(given.labels, labels)
    classifier = train(plain, settings=TrainingSettings(steps=2))
    few = {"threat_models": [ThreatModel("linf", 0.1)], "settings": ATTACKS, "seed": 0}
    found = robust_accuracy(classifier, images[:4], labels[:4], **few)
    assert found == robust_accuracy(classifier, images[:4], labels[:4].int(), **few)
    with pytest.raises(InputError, match=r"numbers of classes; found torch\.float32"):
        robust_accuracy(classifier, images[:4], labels[:4].float(), **few)
    with pytest.raises(InputError, match=r"A class is a whole number; found 3\.7"):
        explain(classifier, images[:1], targets=[3.7], settings=LimeSettings(fill="zero"))  # type: ignore[list-item]
