"""Weights with which nothing can be computed are refused by name."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from explainfb.classifiers.classifier import build_classifier, load_classifier, save_classifier
from explainfb.classifiers.loading.sound import fault_of
from explainfb.classifiers.training import architecture_for
from explainfb.classifiers.transfer import pretrained
from explainfb.core.errors import InputError
from explainfb.tasks.datasets import load_task

NAME = "shufflenet_v2_x0_5"


def test_a_negative_variance_and_no_other_negative_number_is_a_fault() -> None:
    norm = nn.BatchNorm2d(3)
    assert fault_of({"fc.weight": -torch.ones(2), **norm.state_dict()}) is None
    norm.running_var[1] = -1e-3  # type: ignore[index]
    assert fault_of(norm.state_dict()) == "running_var holds a negative variance"
    norm.running_var[1] = 0.0  # type: ignore[index]
    assert fault_of(norm.state_dict()) is None


def test_a_file_of_weights_is_refused_by_the_name_of_what_is_negative(tmp_path: Path) -> None:
    weights = torchvision.models.get_model(NAME, weights=None).state_dict()
    weights["stage2.0.branch1.1.running_var"][3] = -0.5
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth is damaged: stage2\.0\.branch1\.1\.running_var holds a negative"):
        pretrained(NAME, tmp_path / "w.pth")


def test_a_classifier_is_refused_by_the_name_of_what_is_negative(tmp_path: Path) -> None:
    classifier = build_classifier(architecture_for(load_task("digits", train_images=20), NAME))
    with torch.no_grad():
        next(buffer for name, buffer in classifier.named_buffers() if name.endswith("running_var"))[0] = -1.0
    save_classifier(classifier, tmp_path / "round-0.safetensors")
    with pytest.raises(InputError, match="running_var holds a negative variance"):
        load_classifier(tmp_path / "round-0.safetensors")
