"""The tables of the page and of the terminal."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from explainfb.core.types import CrossCheck
from explainfb.report import faithfulness_summary, render_report
from explainfb.report.measures import robustness
from explainfb.report.tables import robust_table
from report_page import EMPTY, Page, terminal
from results_example import example_report_data, example_results, with_arm, with_flag, with_twins


@pytest.fixture(scope="module")
def text() -> str:
    return render_report(example_results(), example_report_data(items=3))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


@pytest.mark.parametrize(
    ("label", "shifted"),
    [("before", 41.6), ("cross-entropy only", 29.8), ("feedback", 89.9), ("no shortcut (ceiling)", 95.0)],
)
def test_the_terminal_table_has_an_arm_a_row(label: str, shifted: float) -> None:
    printed = terminal(example_results())
    assert re.search(rf"^{re.escape(label)} +\S+ +{shifted:.1f} ", printed, re.MULTILINE)


def test_the_terminal_table_marks_what_is_doubtful() -> None:
    results = example_results()
    measure = robustness(results)
    assert measure is not None
    assert measure.threat_model is not None
    printed = terminal(with_flag(results, "before", measure.threat_model, "zero_gradients")).splitlines()
    assert [line.split("  ")[0] for line in printed if line.rstrip().endswith("*")] == ["before"]
    assert printed[-1].strip() == "* a sanity check failed; the report says which"


def test_with_every_arm_the_terminal_table_fits_eighty_characters() -> None:
    others = ("wrong_masks", "oracle_reward", "rrr", "input_gradient", "adversarial_training")
    printed = terminal(with_twins(example_results(), *others))
    assert "…" not in printed
    assert max(len(line) for line in printed.splitlines()) <= 80
    assert "adversarial training" in printed


def test_what_it_cost_stands_beside_each_arm(page: Page) -> None:
    assert "1,058.0" in page.text
    without = example_results()
    for name in without.arms:
        without = with_arm(without, name, compute=None)
    assert "images forward" not in Page(render_report(without, EMPTY)).text


def test_how_true_explanations_are_stands_in_the_terminal_and_on_the_page(page: Page) -> None:
    results = with_twins(example_results(), "input_gradient", "adversarial_training")
    printed = io.StringIO()
    Console(file=printed, width=80).print(faithfulness_summary(results))
    head, *lines = printed.getvalue().splitlines()
    assert head.split() == ["faithfulness,", "n", "=", "20", "deletion", "insertion", "infidelity", "sensitivity"]
    assert "0.024 ± 0.005 0.974 ± 0.012 0.029 ± 0.012 1.152 ± 0.147" in lines[0]
    assert "…" not in printed.getvalue()
    assert len(lines) == len(results.arms)
    assert "on 20 of the test images" in page.text
    assert "0.961–0.985" in page.text


def test_results_from_before_it_was_measured_say_nothing_of_how_true_explanations_are() -> None:
    results = example_results()
    for name in results.arms:
        results = with_arm(results, name, faithfulness=None)
    assert faithfulness_summary(results) is None
    assert "Are its reasons true?" not in Page(render_report(results, EMPTY)).text


def test_a_cross_check_by_autoattack_stands_beside_our_number() -> None:
    results = example_results()
    first, *others = results.feedback.robust_accuracy
    first = replace(first, cross_check=CrossCheck("AutoAttack", 0.5, 0.6, 10))
    results = with_arm(results, "feedback", robust_accuracy=(first, *others))
    cells = next(row.cells for row in robust_table(results).rows if row.arm.name == "feedback")
    ends = [cell.interval.endswith("; AutoAttack 50.0, ours 60.0 on the same 10") for cell in cells]
    assert ends == [True] + [False] * (len(cells) - 1)
