"""The page: one file, readable by everyone, safe whatever a class is called; each thing by one name."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Interval
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import grid
from explainfb.report import GalleryItem, ReportData, reach_verdict, render_report, write_report
from explainfb.results.records import (
    ArmDescription,
    ArmDifference,
    PreferenceResults,
    RoundResult,
    Stopped,
    StopReason,
    StudyResults,
)
from report_page import EMPTY, Page, terminal
from results_example import (
    MODELS,
    example_report_data,
    example_results,
    with_arm,
    with_flag,
    without_arms,
    without_shortcut,
)

SCRIPT = "\">'<script>alert(1)</script>"


@pytest.fixture(scope="module")
def text() -> str:
    return render_report(example_results(), example_report_data(items=3))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_references_inside_charts_lead_somewhere(page: Page, text: str) -> None:
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert wanted
    assert wanted <= ids


def test_nothing_is_loaded_from_elsewhere(page: Page, text: str) -> None:
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert sources
    assert all(source is not None and source.startswith("data:image/") for source in sources)
    assert not re.search(r"url\((?!#)|@import|https?:", text.replace('http-equiv="', ""))
    assert not page.all("script")
    assert not page.all("link")


def test_every_picture_has_alternative_text(page: Page) -> None:
    pictures = [image.get("alt") for image in page.all("img")] + [chart.get("aria-label") for chart in page.all("svg")]
    assert len(pictures) > 3 * 3
    assert all(pictures)


def test_charts_take_their_colours_from_the_page(text: str) -> None:
    charts = "".join(re.findall(r"<svg class.*?</svg>", text, re.DOTALL))
    assert "var(--series-0)" in charts
    assert "var(--ink)" in charts
    assert not re.search(r"(?:fill|stroke): #", charts)
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", text))
    assert used <= set(re.findall(r"(--[a-z0-9-]+):", text))


def test_the_page_has_what_it_takes_to_repeat_the_study(page: Page) -> None:
    results = example_results()
    assert results.command in " ".join(page.text.split())
    for fact in (*results.environment.values(), *(name.replace("_", " ") for name in results.settings)):
        assert fact in page.text, fact


def test_the_verdict_is_the_first_sentence(page: Page) -> None:
    body = page.text.rpartition("Did the feedback help?")[2]
    assert body.strip().startswith(reach_verdict(example_results()).sentence)


def test_unreliable_numbers_are_marked(page: Page) -> None:
    assert re.search(r"31\.0a25\.8–36\.2", page.text)
    assert len(page.all("sup")) == 2


def test_what_commands_a_terminal_is_told_and_not_obeyed() -> None:
    odd = "a\x1b[31m\u202eb"
    results = example_results()
    results = replace(
        results,
        environment={**results.environment, "machine": odd},
        preferences=replace(results.preferences, annotators=(odd,)),
    )
    found = render_report(results, replace(example_report_data(items=1), class_names=(odd,) * 10))
    assert not {"\x1b", "\u202e"} & set(found)
    assert r"a\x1b[31m\u202eb" in found
    with pytest.raises(InputError, match="An arm is called"):
        ArmDescription("mine", odd, "", "control")


def test_names_from_outside_are_escaped() -> None:
    results = with_flag(example_results(), "feedback", MODELS[3], SCRIPT)
    first, *others = results.before.robust_accuracy
    results = with_arm(results, "before", robust_accuracy=(replace(first, attacks={SCRIPT: 0.5}), *others))
    results = with_arm(results, "cross_entropy", arm=ArmDescription("cross_entropy", SCRIPT, SCRIPT, "control"))
    results = replace(
        results,
        task=SCRIPT,
        command=f"explainfb run --task '{SCRIPT}'",
        stopped=(Stopped("", 0, StopReason.UNKNOWN, message=SCRIPT),),
        settings={SCRIPT: SCRIPT},
        environment={**results.environment, "machine": SCRIPT},
        preferences=replace(results.preferences, annotators=(SCRIPT,)),
        seconds={SCRIPT: 1.0},
    )
    data = example_report_data(items=1)
    names = tuple(f'"{SCRIPT}' for _ in data.class_names)
    maps = replace(data.reward_maps, computed_on=SCRIPT) if data.reward_maps else None
    page = Page(render_report(results, replace(data, class_names=names, reward_maps=maps)))
    assert not page.all("script")
    assert SCRIPT in page.text
    assert all("alert(1)" in str(image["alt"]) for image in page.all("img")[:3])


def test_a_message_about_what_stopped_is_near_the_top() -> None:
    results = replace(example_results(), stopped=(Stopped("feedback", 3, StopReason.NOT_FINITE, step=7),))
    text = Page(render_report(results, EMPTY)).text
    assert 0 < text.index("stopped at step 7") < text.index("The numbers")


def test_a_task_without_shortcut_has_no_shortcut_columns() -> None:
    text = Page(render_report(without_shortcut(example_results()), EMPTY)).text
    assert "shifted" not in text
    assert "shortcut share" not in text
    assert "on clean test images" in text


def test_shifted_pictures_of_a_folder_are_told_as_what_they_are() -> None:
    planted = example_results()
    own = replace(planted, settings={**planted.settings, "task": "folder:pets", "plant": None})
    said = "the test images in test-shifted, whose shortcut misleads"
    assert said in Page(render_report(own, EMPTY)).text
    assert said not in Page(render_report(planted, EMPTY)).text
    assert "points at a random class" in Page(render_report(planted, EMPTY)).text


def test_test_images_that_carry_their_shortcut_are_not_called_clean() -> None:
    results = without_shortcut(example_results())
    for name in results.arms:
        results = with_arm(results, name, shortcut_share=Interval(0.3, 0.2, 0.4))
    text = Page(render_report(results, EMPTY)).text
    assert not re.search("clean|shifted", text, re.IGNORECASE)
    assert "Accuracy on test images rose" in text or "Accuracy on test images went" in text
    assert "0 % means it is ignored" in text
    assert "test, %" in terminal(results)
    assert "clean" not in terminal(results)


def test_a_bare_study_has_a_page() -> None:
    results = without_arms(example_results(), "no_shortcut", "cross_entropy", "random_answers")
    for name in ("before", "feedback"):
        results = with_arm(results, name, robust_accuracy=(), faithfulness=None)
    preferences = PreferenceResults(0, (), (RoundResult(1, answers=0, held_out=0, reward_accuracy=None),))
    results = replace(results, differences={"before": ArmDifference({})}, seconds={}, preferences=preferences)
    page = Page(render_report(results, EMPTY))
    assert "cannot be said" in page.text
    assert "Is it harder to fool?" not in page.text
    assert len(page.all("table")) == 1


def test_one_round_without_answers_can_be_drawn() -> None:
    only = RoundResult(1, answers=0, held_out=0, reward_accuracy=Interval(0.5, 0.0, 1.0))
    results = example_results()
    results = replace(results, preferences=replace(results.preferences, rounds=(only,)))
    assert "Reward accuracy" in Page(render_report(results, EMPTY)).text


def test_the_file_is_written_whole_and_always_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(example_results(), example_report_data(items=2), tmp_path / "report" / name / "index.html")
    first, second = ((tmp_path / "report" / name / "index.html").read_bytes() for name in ("a", "b"))
    assert first == second
    assert [file.name for file in (tmp_path / "report" / "a").iterdir()] == ["index.html"]


def photo(seed: int, side: int) -> GalleryItem:
    """Noise, which no format packs well."""
    generator = np.random.default_rng(seed)
    segments = grid(side, side, 196)
    before, after = (
        Explanation(0, 0.5, segments, generator.normal(size=int(segments.max()) + 1), 0.1, 0.9) for _ in range(2)
    )
    return GalleryItem(generator.random((3, side, side)), 0, before, after, 1, 0.9, 0, 0.8)


@pytest.mark.parametrize("side", [63, 224])
def test_twelve_pictures_stay_under_three_megabytes(side: int) -> None:
    data = replace(EMPTY, gallery=tuple(photo(seed, side) for seed in range(12)))
    assert len(render_report(example_results(), data).encode()) < 3_000_000


def test_report_data_that_do_not_fit_together_are_refused() -> None:
    item = photo(0, 28)
    with pytest.raises(InputError, match="class 1; expected one of 1"):
        ReportData(class_names=("only",), gallery=(item,))
    with pytest.raises(InputError, match="as large as their image"):
        replace(item, image=np.zeros((3, 20, 20)))
    with pytest.raises(InputError, match="shape"):
        replace(item, image=np.zeros((28, 28)))


def test_what_was_learned_of_each_annotator_is_told(text: str) -> None:
    results = example_results()
    learned = replace(results.preferences, annotator_reliability={"Ada": 0.97, SCRIPT: 0.5})
    results = replace(results, preferences=learned)
    told = Page(render_report(results, EMPTY)).text
    assert re.search(r"as learned beside the reward: Ada 97\.0\s%", told)
    assert SCRIPT in told
    assert "as learned beside the reward" not in Page(text).text


def test_task_and_seed_are_listed_once() -> None:
    for recorded in ({}, {"task": "digits-decoy", "seed": 0}):
        text = render_report(replace(example_results(), settings=recorded), EMPTY)
        assert text.count("<dt>task</dt>") == text.count("<dt>seed</dt>") == 1


def study(controls: list[str]) -> StudyResults:
    return replace(
        example_results(),
        settings={"controls": controls},
        seconds={"random_answers: fine-tuning": 1.0, "no_shortcut: evaluation": 2.0, "feedback: answers": 3.0},
        stopped=(Stopped("random_answers", 1, StopReason.NOT_FINITE, step=3),),
    )


def test_an_arm_has_one_name_in_the_page() -> None:
    text = Page(render_report(study(["cross_entropy", "random_answers", "no_shortcut"]), EMPTY)).text
    assert "cross-entropy only, random answers, no shortcut (ceiling)" in text
    assert "no shortcut (ceiling): evaluation" in text
    assert "feedback: answers" in text
    assert not re.search("random_answers|no_shortcut|the ceiling|no shortcut(?! \\(ceiling)", text)
    assert re.search(r"controls\s*none", Page(render_report(study([]), EMPTY)).text)


def test_an_arm_is_called_what_the_results_call_it() -> None:
    """Not what today's registry would: results come from other versions and other people."""
    arm = ArmDescription("cross_entropy", "as if nothing was said", "steps alone", "control")
    text = Page(render_report(with_arm(example_results(), "cross_entropy", arm=arm), EMPTY)).text
    assert "steps alone" in text
    assert "as if nothing was said" in text
    assert "cross-entropy only" not in text


def test_how_far_an_explanation_can_be_relied_on_stands_beneath_it() -> None:
    data = example_report_data(items=1)
    (item,) = data.gallery
    before = replace(item.before, standard_errors=0.1 * np.abs(item.before.weights), fit=0.43)
    text = render_report(example_results(), replace(data, gallery=(replace(item, before=before),)))
    assert f"reliability {before.reliability:.2f}, R² 0.43" in text
    assert f">R² {item.after.fit:.2f}" in text  # whose errors are unknown
