"""RRR may be given what it does best with: more steps, and fresh weights to begin with."""

import dataclasses
from pathlib import Path

import pytest

from explainfb.classifiers.classifier import load_classifier
from explainfb.classifiers.training import validate
from explainfb.results.records import Compute
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY

pytestmark = pytest.mark.usefixtures("blank_reports")
LITTLE = dataclasses.replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)


def test_rrr_may_take_more_steps_and_begin_with_fresh_weights(tmp_path: Path) -> None:
    best = dataclasses.replace(TINY.baselines, rrr_start="fresh", rrr_steps=3)
    settings = dataclasses.replace(TINY, rounds=1, controls=("rrr",), evaluation=LITTLE, baselines=best)
    study = Study.open(tmp_path / "study", settings)
    compute = study.run().arms["rrr"].compute
    batch = 3 * TINY.finetune.steps * TINY.finetune.batch_size
    assert compute == Compute(batch, 3 * batch)
    start = load_classifier(tmp_path / "study/controls/rrr/classifiers/round-0.safetensors")
    _, accuracy = validate(start, study.task.validation)
    assert accuracy < 0.3  # it has learned nothing yet
