"""The report's charts: every arm can be told from every other, and what stands side by side is on one scale."""

import re
from dataclasses import replace

from explainfb.report import figures, render_report
from explainfb.report.figures import MARKERS, SERIES, VARIABLES, robust_curves, strokes
from explainfb.results.records import StudyResults
from report_page import EMPTY
from results_example import example_results, with_arm, with_twins, without_arms

EIGHT = (
    "cross_entropy", "random_exchange", "random_answers", "wrong_masks", "oracle_reward", "rrr", "input_gradient",
    "adversarial_training",
)  # fmt: skip


def study() -> StudyResults:
    """With all eight other arms."""
    return with_twins(without_arms(example_results(), "cross_entropy", "random_answers"), *EIGHT)


def test_every_arm_has_a_colour_of_its_own_and_among_eight_others_a_marker() -> None:
    drawn = strokes(study())
    assert len({stroke.colour for stroke in drawn.values()}) == len(drawn) == 11
    assert len({drawn[name].marker for name in EIGHT}) == 8
    assert all(MARKERS[stroke.marker] for stroke in drawn.values())
    assert set(SERIES) <= set(VARIABLES)


def test_beyond_eight_colour_and_marker_together_tell_arms_apart() -> None:
    results = example_results()
    arms = {f"arm_{index}": results.before for index in range(40)}
    drawn = strokes(replace(results, arms={**results.arms, **arms}))
    assert len({(stroke.colour, stroke.marker) for stroke in drawn.values()}) == len(drawn)


def test_the_page_has_every_colour_in_light_and_dark() -> None:
    text = render_report(study(), EMPTY)
    used = set(re.findall(r"var\(--(series-\d+)\)", text))
    assert len(used) == 11
    assert all(text.count(f"--{name}: #") == 2 for name in used)
    light = re.findall(r"--series-\d+: (#\w+)", text)
    assert len(set(light)) == len(light)


def test_with_a_single_radius_every_arm_is_a_point_with_its_interval() -> None:
    results = without_arms(example_results(), "random_answers")
    for name, arm in results.arms.items():
        results = with_arm(results, name, robust_accuracy=arm.robust_accuracy[:1])
    chart = robust_curves(results, "linf")
    ceiling = VARIABLES[SERIES[strokes(results)["no_shortcut"].colour]]
    assert re.search(rf"<use [^>]*fill: var\(--{ceiling}\)", chart)
    assert chart.count("LineCollection") == 4


def test_images_of_each_confidence_are_drawn_on_one_scale() -> None:
    results = example_results()
    bins = replace(results.feedback.reliability, count=(*[0] * 14, 899))
    results = with_arm(results, "feedback", reliability=bins)
    text = render_report(results, EMPTY)
    charts = re.findall(r'<svg class="chart"[^>]*aria-label="Reliability.*?</svg>', text, re.DOTALL)
    ticks = [re.findall(r">(\d+)\N{NO-BREAK SPACE}%</text>", chart) for chart in charts]
    assert len(ticks) == 2
    assert ticks[0] == ticks[1]
    assert max(figures.shares(bins)) == 1
