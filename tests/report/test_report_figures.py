"""The report's charts: every arm can be told from every other, and what stands side by side is on one scale."""

import re
from typing import Any

from test_report import EMPTY

from explainfb.report import figures, render_report
from explainfb.report.figures import MARKERS, SERIES, VARIABLES, robust_curves, strokes
from results_example import example_results

EIGHT = (
    "cross_entropy", "random_exchange", "random_answers", "wrong_masks", "oracle_reward", "rrr", "input_gradient",
    "adversarial_training",
)  # fmt: skip


def study(names: tuple[str, ...] = EIGHT) -> dict[str, Any]:
    results = example_results()
    results["controls"] = dict.fromkeys(names, results["before"])
    return results


def test_every_arm_has_a_colour_of_its_own_and_among_eight_others_a_marker() -> None:
    drawn = strokes(study())
    assert len({stroke.colour for stroke in drawn.values()}) == len(drawn) == 11
    assert len({drawn[name].marker for name in EIGHT}) == 8
    assert all(MARKERS[stroke.marker] for stroke in drawn.values())
    assert set(SERIES) <= set(VARIABLES)


def test_beyond_eight_colour_and_marker_together_tell_arms_apart() -> None:
    drawn = strokes(study(tuple(f"arm_{index}" for index in range(40))))
    assert len({(stroke.colour, stroke.marker) for stroke in drawn.values()}) == len(drawn)


def test_the_page_has_every_colour_in_light_and_dark() -> None:
    text = render_report(study(), EMPTY)
    used = set(re.findall(r"var\(--(series-\d+)\)", text))
    assert len(used) == 11
    assert all(text.count(f"--{name}: #") == 2 for name in used)
    light = re.findall(r"--series-\d+: (#\w+)", text)
    assert len(set(light)) == len(light)


def test_with_a_single_radius_every_arm_is_a_point_with_its_interval() -> None:
    results = study(("cross_entropy",))
    for arm in (results["before"], results["after"], results["ceiling"]):
        arm["robust_accuracy"] = arm["robust_accuracy"][:1]
    results["controls"]["cross_entropy"] = results["before"]
    chart = robust_curves(results, "linf")
    ceiling = VARIABLES[SERIES[strokes(results)["ceiling"].colour]]
    assert re.search(rf"<use [^>]*fill: var\(--{ceiling}\)", chart)
    assert chart.count("LineCollection") == 4


def test_images_of_each_confidence_are_drawn_on_one_scale() -> None:
    results = example_results()
    results["after"]["reliability"]["count"] = [0] * 14 + [899]
    text = render_report(results, EMPTY)
    charts = re.findall(r'<svg class="chart"[^>]*aria-label="Reliability.*?</svg>', text, re.DOTALL)
    ticks = [re.findall(r">(\d+)\N{NO-BREAK SPACE}%</text>", chart) for chart in charts]
    assert len(ticks) == 2
    assert ticks[0] == ticks[1]
    assert max(figures.shares(results["after"])) == 1
