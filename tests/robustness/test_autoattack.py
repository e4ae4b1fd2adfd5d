"""AutoAttack as a second opinion: it agrees with our worst case, and says so when it is not there."""

import importlib.util

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import ThreatModel
from explainfb.robustness import autoattack as module
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.autoattack import PACKAGES, run_autoattack
from sound_digits import changed, digits, trained

IMAGES, LABELS = (part[:30] for part in digits())
MODEL = ThreatModel("linf", 0.1)
installed = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in PACKAGES), reason="the extra `art` is not installed"
)
# ART's imports and its own code warn
quiet = pytest.mark.filterwarnings("ignore")


@installed
@quiet
@pytest.mark.parametrize("threat_model", [MODEL, ThreatModel("l2", 0.6)], ids=str)
def test_it_agrees_with_our_worst_case(threat_model: ThreatModel) -> None:
    record = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[threat_model], seed=0)[0]
    sizes = {"steps": 20, "restarts": 1, "square_queries": 50}
    held = run_autoattack(trained(), IMAGES, LABELS, threat_model=threat_model, seed=0, **sizes)
    assert (held != np.array(record.survived)).sum() <= 1
    assert 0 < held.sum() < len(held)


@installed
@quiet
def test_it_is_not_blinded_by_large_logits() -> None:
    sizes = {"steps": 20, "restarts": 1, "square_queries": 50}
    certain, plain = (
        run_autoattack(classifier, IMAGES, LABELS, threat_model=ThreatModel("linf", 0.2), seed=0, **sizes)
        for classifier in (changed(lambda forward, images: 200 * forward(images)), trained())
    )
    assert certain.sum() <= plain.sum() + 3


@pytest.mark.parametrize("missing", PACKAGES)
def test_what_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(InputError, match=rf"package {missing} is not installed; run pip install 'explainfb\[art\]'"):
        run_autoattack(trained(), IMAGES, LABELS, threat_model=MODEL, seed=0)


def test_an_epsilon_of_0_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "check_installed", lambda: None)
    with pytest.raises(InputError, match="greater than 0"):
        run_autoattack(trained(), IMAGES, LABELS, threat_model=ThreatModel("linf", 0), seed=0)
