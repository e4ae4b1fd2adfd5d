"""The figure of the study that was answered in the app."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.page import Page, label
from explainfb.report.measures import write
from explainfb.results.json_file import read_results
from explainfb.results.measures import SHIFTED
from explainfb.results.records import StudyResults
from explainfb.sweeps.figures import KINDS


def page_of(path: Path) -> Page:
    """Of a results.json, which is a study's own."""
    return Page({}, figure(read_results(path)))


def figure(study: StudyResults) -> Figure:
    """Whether every answer that was asked for is on record, and whether the answers taught what they should have."""
    drawing = Figure(figsize=(10.2, 2.9), layout="constrained")
    recorded, learned, repaired = drawing.subplots(1, 3, width_ratios=(1, 1, 1.1))
    draw_answers(recorded, study)
    draw_reward(learned, study)
    draw_arms(repaired, study)
    for axis in drawing.axes:
        axis.set_title(axis.get_title(loc="left"), loc="left", fontsize=9)
        axis.xaxis.label.set_fontsize(8)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return drawing


def draw_answers(axis: Axes, study: StudyResults) -> None:
    """As a bar what is on record after each round, in a frame as high as what was asked for until then."""
    colour = KINDS["feedback"][0]
    each_round = int(str(study.settings["comparisons_per_round"]))
    for each in study.preferences.rounds:
        asked = each.round * each_round
        axis.bar(each.round, each.answers, width=0.7, color=colour, alpha=0.55, linewidth=0)
        axis.bar(each.round, asked, width=0.7, facecolor="none", edgecolor="black", linewidth=1)
        told = f"{each.answers:,}\nof {asked:,}"
        axis.annotate(told, (each.round, asked), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    axis.set_title("answers on record, of those asked for", loc="left")
    axis.set_xticks([each.round for each in study.preferences.rounds])
    axis.set_ylim(0, 1.25 * each_round * len(study.preferences.rounds))
    axis.set_xlabel("round; bar: on record, frame: asked for")


def draw_reward(axis: Axes, study: StudyResults) -> None:
    """How well the reward that was learned of the answers predicts others, round by round."""
    colour = KINDS["feedback"][0]
    for each in study.preferences.rounds:
        found = each.reward_accuracy
        if found is not None:
            axis.vlines(each.round, found.low, found.high, color=colour, linewidth=1.5)
            axis.plot(each.round, found.estimate, "o", color=colour, markersize=6)
            axis.annotate(
                f"{100 * found.estimate:.0f} %\nof {each.held_out}",
                (each.round, found.estimate),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axis.axhline(0.5, color="#777777", linestyle=":", linewidth=1)
    axis.text(len(study.preferences.rounds) + 0.75, 0.51, "a coin", color="#555555", ha="right", fontsize=8)
    axis.set_title("held-out answers the reward predicts", loc="left")
    axis.set_xticks([each.round for each in study.preferences.rounds])
    axis.set_xlim(0.6, len(study.preferences.rounds) + 0.8)
    axis.set_ylim(0, 1.03)
    axis.set_xlabel("round; line: 95 % interval")


def draw_arms(axis: Axes, study: StudyResults) -> None:
    """Shifted accuracy of every arm."""
    for place, arm in enumerate(study.arms.values()):
        found, (colour, marker) = arm.shifted_accuracy, KINDS[arm.arm.role]
        if found is not None:
            axis.hlines(place, found.low, found.high, color=colour, linewidth=1.5)
            axis.plot(found.estimate, place, marker, color=colour, markersize=6)
            end, beside, side = (found.high, 5, "left") if found.estimate < 0.6 else (found.low, -5, "right")
            axis.annotate(
                write(SHIFTED, found.estimate),
                (end, place),
                (beside, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
            )
    axis.set_yticks(range(len(study.arms)), [label(name) for name in study.arms])
    axis.set_ylim(len(study.arms) - 0.5, -0.5)
    axis.set_xlim(0, 1.02)
    axis.set_title("shifted accuracy", loc="left")
    axis.set_xlabel("of images whose shortcut misleads; line: 95 % interval")
    axis.grid(axis="x", alpha=0.3)
