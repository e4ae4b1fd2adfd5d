"""A measure has one key, which leads back to it."""

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import ThreatModel
from explainfb.results.measures import MEASURES, measure_of, robust_accuracy_under


@pytest.mark.parametrize("epsilon", [0, 0.1, 1, 1.0, 8 / 255, 1e-7, 1 / 3])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_key_leads_back_to_its_measure(norm: str, epsilon: float) -> None:
    measure = robust_accuracy_under(ThreatModel(norm, epsilon))  # type: ignore[arg-type]
    assert measure_of(measure.key) == measure
    assert [measure_of(each.key) for each in MEASURES] == list(MEASURES)


@pytest.mark.parametrize(
    ("epsilon", "told"),
    [(0.1, "0.1"), (0.2, "0.2"), (8 / 255, "8/255"), (1 / 255, "1/255"), (1 / 3, "0.333333"), (0.0314, "0.0314")],
)
def test_a_few_levels_of_eight_bits_are_told_as_such(epsilon: float, told: str) -> None:
    assert robust_accuracy_under(ThreatModel("linf", epsilon)).heading.endswith(f"ε = {told}")


@pytest.mark.parametrize("key", ["auc", "robust_accuracy", "robust_accuracy l3 0.1", "robust_accuracy linf"])
def test_a_key_of_no_measure_is_refused(key: str) -> None:
    with pytest.raises(InputError, match=f"no measure '{key}'; expected clean_accuracy"):
        measure_of(key)
