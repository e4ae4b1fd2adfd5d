"""A study's results and pictures → one HTML page that needs nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.core.names import printable
from explainfb.core.types import FloatArray, OutOfBagTest
from explainfb.explanations import plots
from explainfb.explanations.explanation import Explanation
from explainfb.report import figures, stopped_rounds
from explainfb.report.measures import (
    carries_shortcut,
    clean,
    deciding,
    difference,
    has_shortcut,
    own_shifted,
    robustness,
)
from explainfb.report.number_format import duration, percent
from explainfb.report.reward_sentences import both_bad_sentence, followed_sentence, held_out_sentence
from explainfb.report.tables import (
    difference_table,
    faithfulness_table,
    images_of_faithfulness,
    main_table,
    robust_table,
)
from explainfb.report.verdict import findings, reach_verdict
from explainfb.results.measures import ECE, NORM_SIGNS, SHIFTED, Measure
from explainfb.results.records import FEEDBACK, NO_SHORTCUT, StudyResults


@dataclass(frozen=True, eq=False)
class GalleryItem:
    """One image with its explanations before and after the feedback."""

    image: FloatArray
    """(C, H, W) in [0, 1], one channel or three."""
    label: int
    """The true class."""
    before: Explanation
    after: Explanation
    predicted_before: int
    confidence_before: float
    """The probability of the predicted class, in [0, 1]."""
    predicted_after: int
    confidence_after: float

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[0] not in (1, 3):
            raise InputError(f"A picture must have shape (1 or 3, H, W); found {self.image.shape}.")
        for explanation in (self.before, self.after):
            if explanation.segments.shape != self.image.shape[1:]:
                raise InputError(
                    f"Superpixels must be as large as their image; found {explanation.segments.shape} "
                    f"for an image of {self.image.shape[1:]}."
                )


@dataclass(frozen=True, eq=False)
class RewardMaps:
    """What the additive reward learned: r = Σ β·A − |β|·B, with A and B drawn as maps."""

    should_count: FloatArray
    """A, (H, W): positive where a reason for the class is wanted."""
    should_not_count: FloatArray
    """B, (H, W): positive where any reason is irrelevant."""
    computed_on: str
    """In words: what the maps were computed on."""


@dataclass(frozen=True, eq=False)
class ReportData:
    """What the page shows and results.json does not hold."""

    class_names: tuple[str, ...]
    gallery: tuple[GalleryItem, ...] = ()
    reward_maps: RewardMaps | None = None
    out_of_bag_tests: Mapping[int, OutOfBagTest] = field(default_factory=dict)
    """Of each round, as far as it is known, the test that decided whether its reward was followed."""

    def __post_init__(self) -> None:
        shown = [label for item in self.gallery for label in (item.label, item.predicted_before, item.predicted_after)]
        shown += [explanation.target for item in self.gallery for explanation in (item.before, item.after)]
        outside = [label for label in shown if not 0 <= label < len(self.class_names)]
        if outside:
            raise InputError(f"The gallery shows class {outside[0]}; expected one of {len(self.class_names)} classes.")


def write_report(results: StudyResults, data: ReportData, path: Path) -> None:
    """Write the page to `path`; its folder is made, and a reader never sees half of it."""
    page = render_report(results, data)
    write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))


def render_report(results: StudyResults, data: ReportData) -> str:
    """The page as text; all that comes from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("explainfb.report"),
        autoescape=True,  # names of classes and annotators come from outside
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "caption": _caption}
    style = resources.files("explainfb.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
    template = environment.get_template("report.html.j2")
    return template.render(r=results, m=data, style=Markup(style), **_words(results, data), **_pictures(results, data))


def _fit(value: Any) -> Any:
    """A text of which nothing commands a terminal or turns what follows round; what was made here stays as it is."""
    return printable(value) if type(value) is str else value


def _words(results: StudyResults, data: ReportData) -> dict[str, Any]:
    """The verdict, the tables and what was learned."""
    arms, ceiling = results.arms.values(), results.arms.get(NO_SHORTCUT)
    attacks = dict.fromkeys(name for arm in arms for robust in arm.robust_accuracy for name in robust.attacks)
    return {
        "attacks": [name.replace("_", " ") for name in attacks],
        "settings": [(name, _setting(value)) for name, value in _all_settings(results).items()],
        "times": [(_stage(results, stage), duration(seconds)) for stage, seconds in results.seconds.items()],
        "verdict": reach_verdict(results),
        "deciding": deciding(results),
        "findings": findings(results),
        "arms": [arm.arm for arm in arms],
        "learned": [
            both_bad_sentence(results),
            held_out_sentence(results),
            followed_sentence(results, data.out_of_bag_tests),
        ],
        "unfinished": stopped_rounds.unfinished(results),
        "stopped": {name: stopped_rounds.about(results, name) for name in results.arms if name != FEEDBACK},
        "has_shortcut": has_shortcut(results),
        "own_shifted": own_shifted(results),
        "ceiling": ceiling.arm.label if ceiling else "",
        "carries_shortcut": carries_shortcut(results),
        "has_compute": any(arm.compute for arm in arms),
        "main": main_table(results),
        "difference": difference_table(results),
        "robust": robust_table(results),
        "faithfulness": faithfulness_table(results),
        "faithfulness_images": images_of_faithfulness(results),
    }


def _pictures(results: StudyResults, data: ReportData) -> dict[str, Any]:
    """The charts and the gallery; empty where there is nothing to show."""
    measured = {robust.threat_model.norm for arm in results.arms.values() for robust in arm.robust_accuracy}
    rounds = results.preferences.rounds
    known = any(each.reward_accuracy for each in rounds)
    both = {1: results.before, 0: results.feedback}
    fullest = max(max(figures.shares(arm.reliability), default=0) for arm in both.values()) or 1.0
    diagrams = [figures.reliability_diagram(arm, colour, fullest=fullest) for colour, arm in both.items()]
    return {
        "legend": _legend(results),
        "differences": _markup([figures.difference_chart(results, m) for m in _compared(results)]),
        "robust_curves": _markup([figures.robust_curves(results, norm) for norm in NORM_SIGNS if norm in measured]),
        "reliability": _markup(diagrams),
        "reward_chart": _markup([figures.reward_accuracy_chart(rounds)] if known else []),
        "gallery": [_gallery_item(item, data.class_names) for item in data.gallery],
        "reward_maps": _reward_maps(data.reward_maps) if data.reward_maps else [],
        "colours": plots.scale_colours(),
    }


def _markup(charts: list[str]) -> list[Markup]:
    return [Markup(chart) for chart in charts]


def _compared(results: StudyResults) -> list[Measure]:
    """What the first figure shows: accuracy, calibration and robustness, where they were compared in pairs."""
    measures = [SHIFTED if has_shortcut(results) else clean(results), ECE, robustness(results)]
    arms = results.arms.values()
    return [m for m in measures if m is not None and any(difference(results, m, arm) for arm in arms)]


def _legend(results: StudyResults) -> list[dict[str, str]]:
    lines = {"-": "solid", "--": "dashed", ":": "dotted"}
    drawn = figures.strokes(results)
    return [
        {
            "label": arm.arm.label,
            "colour": f"series-{drawn[name].colour}",
            "line": lines[drawn[name].dashes],
            "marker": figures.MARKERS[drawn[name].marker],
        }
        for name, arm in results.arms.items()
    ]


def _gallery_item(item: GalleryItem, names: tuple[str, ...]) -> dict[str, Any]:
    scale = plots.row_scale(item.before, item.after)
    sides = [
        ("before", item.before, item.predicted_before, item.confidence_before),
        ("after", item.after, item.predicted_after, item.confidence_after),
    ]
    explanations = [
        {
            "when": when,
            "source": plots.overlay(item.image, explanation, scale),
            "target": names[explanation.target],
            "predicted": names[predicted],
            "confidence": confidence,
            "correct": predicted == item.label,
            "quality": explanation.quality,
        }
        for when, explanation, predicted, confidence in sides
    ]
    return {
        "image": plots.picture(item.image),
        "label": names[item.label],
        "scale": scale,
        "explanations": explanations,
    }


def _reward_maps(maps: RewardMaps) -> list[dict[str, str]]:
    named = [("What should count", maps.should_count), ("What should not count", maps.should_not_count)]
    scale = max(float(np.max(np.abs(values))) for _, values in named)
    return [{"name": name, "source": plots.heat(None, values, scale)} for name, values in named]


def _all_settings(results: StudyResults) -> dict[str, object]:
    """Each once; arms as the page calls them."""
    found = {"task": results.task, "seed": results.seed, **results.settings}
    controls = found.get("controls")
    if isinstance(controls, list):
        found["controls"] = ", ".join(_shown(results, name) for name in controls) or "none"
    return found


def _stage(results: StudyResults, stage: str) -> str:
    """`rrr: fine-tuning` → `pixel masks (RRR): fine-tuning`; what is timed of feedback itself stays `feedback`."""
    arm, colon, what = stage.partition(": ")
    return stage if not colon or arm == FEEDBACK else f"{_shown(results, arm)}: {what}"


def _shown(results: StudyResults, arm: str) -> str:
    return results.arms[arm].arm.label if arm in results.arms else arm.replace("_", " ")


def _setting(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _caption(text: str, title: str) -> Markup:
    return Markup("<b>{}</b> {}").format(title, text)
