"""Results of format 1 are read as if they had been written today; `format1.json` was written by that version."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from explainfb.core.errors import InputError
from explainfb.core.types import Interval, OutOfBagTest, ThreatModel
from explainfb.results.json_file import read_results, read_stopped, write_results
from explainfb.results.measures import MEASURES, WORST_GROUP, robust_accuracy_under
from explainfb.results.records import Compute, Stopped, StopReason, StudyResults
from explainfb.study.arms.registry import ARMS, describe
from explainfb.study.settings import as_plain, command_line, flatten
from explainfb.testing.tiny import TINY

OLD: dict[str, Any] = json.loads((Path(__file__).parent / "format1.json").read_text(encoding="utf-8"))
Change = Callable[[dict[str, Any]], object]


def read(tmp_path: Path, change: Change = lambda old: None) -> StudyResults:
    old = deepcopy(OLD)
    change(old)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(old), encoding="utf-8")
    return read_results(path)


def test_a_file_of_format_1_is_read_and_written_as_one_of_format_2(tmp_path: Path) -> None:
    results = read(tmp_path)
    write_results(results, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == results


def test_every_number_is_where_it_belongs(tmp_path: Path) -> None:
    results = read(tmp_path)
    old_names = {"feedback": "after", "no_shortcut": "ceiling"}
    named = ["before", "cross_entropy", "random_exchange", "random_answers", "feedback", "no_shortcut"]
    assert list(results.arms) == named
    for name, arm in results.arms.items():
        old = (OLD | OLD["controls"])[old_names.get(name, name)]
        assert arm.measured(WORST_GROUP) is None  # it was not measured then
        for measure in set(MEASURES) - {WORST_GROUP}:
            assert arm.measured(measure) == Interval(old[measure.key], *old["intervals"][measure.key])
        assert list(arm.reliability.count) == old["reliability"]["count"]
        for row in old["robust_accuracy"]:
            under = robust_accuracy_under(ThreatModel(row["norm"], row["epsilon"]))
            assert arm.measured(under) == Interval(row["accuracy"], row["low"], row["high"])
        assert arm.compute == Compute(**OLD["budget"][old_names.get(name, name)])
    assert results.differences.keys() == results.arms.keys() - {"feedback"}
    ceiling = OLD["differences"]["ceiling"]["shifted_accuracy"]
    assert results.differences["no_shortcut"].by_measure["shifted_accuracy"] == Interval(**ceiling)
    assert len(results.differences["before"].by_measure) == 4 + 3
    last = results.preferences.rounds[-1]
    assert (last.round, last.answers, last.held_out) == (2, 48, 4)
    assert results.preferences.reward_accuracy == last.reward_accuracy == Interval(0.75, 0.0, 1.0)


LATER = {"no_shortcut", "cutout", "constant_map", "no_shortcut_cutout", "jtt", "group_dro", "dfr"}
"""Arms that had another name in old files, or did not exist."""


def test_arms_are_described_as_they_are_today(tmp_path: Path) -> None:
    def with_every_arm(old: dict[str, Any]) -> None:
        old["controls"] |= dict.fromkeys([*set(ARMS) - LATER, "my_own"], old["before"])

    results = read(tmp_path, with_every_arm)
    mine = results.arms["my_own"].arm
    assert (mine.label, mine.meaning, mine.role) == ("my own", "", "control")
    found = {arm.arm.name: arm.arm for arm in results.arms.values() if arm.arm != mine}
    assert found == {name: describe(name) for name in ("before", "feedback", *set(ARMS) - LATER | {"no_shortcut"})}


def test_settings_and_command_have_their_new_names(tmp_path: Path) -> None:
    results = read(tmp_path)
    today = flatten(as_plain(TINY)) | {"lime.sampling": "kernelshap", "evaluation.lime.sampling": "kernelshap"}
    later = {"precision", "most_samples", "control_variate", "judgement", "care", "random_utility"}  # there were none
    later |= {"cutout_size", "cutout_steps", "rrr_start", "rrr_steps", "shortcut_rate", "faithfulness_images"}
    later |= {"advgan_images", "advgan_steps", "bfloat16", "body_rate", "compared", "features", "fit", "passes"}
    later |= {"images", "strongest", "train", "ranked", "augment"}
    later |= {"jtt_steps", "jtt_factor", "group_dro_step", "dfr_images", "dfr_inverse_strength"}
    known = {name: value for name, value in today.items() if not later & {name.split(".")[0], name.split(".")[-1]}}
    assert results.settings == known
    assert results.command == command_line(TINY).replace(" --lime.no-control-variate", "")


SENTENCES = {
    "feedback, round 2: Fine-tuning stopped at step 3: the loss or its gradient was not finite.": Stopped(
        "feedback", 2, StopReason.NOT_FINITE, step=3
    ),
    "random_answers, round 4: The reward was not followed: the best of its 3 members foretells 218 of 432 answers that "
    "it was not fitted to, as a coin's might be.": Stopped(
        "random_answers", 4, StopReason.NOT_FOLLOWED, test=OutOfBagTest(218, 432, 1.0), members=3
    ),
    "feedback, round 1: The reward was not followed: it foretells 16 of 22 answers that it was not fitted to, as a "
    "coin's might be.": Stopped(
        "feedback",
        1,
        StopReason.NOT_FOLLOWED,
        test=OutOfBagTest(16, 22, binomtest(16, 22, alternative="greater").pvalue),
    ),
    "wrong_masks, round 3: The reward was not followed: it foretells 4 of 7 held-out answers, as a coin "
    "might.": Stopped("wrong_masks", 3, StopReason.NOT_FOLLOWED, test=OutOfBagTest(4, 7, 0.5)),
    "random_answers, round 2: The reward was not followed: nobody answered.": Stopped(
        "random_answers", 2, StopReason.NOT_FOLLOWED, message="nobody answered."
    ),
    "random_answers, round 2: The reward was not followed.": Stopped("random_answers", 2, StopReason.NOT_FOLLOWED),
    "no_shortcut, round 1: It was tired.": Stopped("no_shortcut", 1, StopReason.UNKNOWN, message="It was tired."),
    "nobody, round 3: It was tired.": Stopped("", 0, StopReason.UNKNOWN, message="nobody, round 3: It was tired."),
    "The machine was tired.": Stopped("", 0, StopReason.UNKNOWN, message="The machine was tired."),
}


def stopped_so(old: dict[str, Any], sentence: str) -> None:
    old["controls"]["wrong_masks"] = old["before"]
    old["stopped"] = [sentence]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_about_what_stopped_are_taken_apart(sentence: str, tmp_path: Path) -> None:
    (stop,) = read(tmp_path, lambda old: stopped_so(old, sentence)).stopped
    wanted = SENTENCES[sentence]
    if wanted.test is not None:
        assert stop.test is not None
        assert stop.test.p_value == pytest.approx(wanted.test.p_value)
        stop = replace(stop, test=replace(stop.test, p_value=wanted.test.p_value))
    assert stop == wanted


def test_a_sentence_kept_beside_a_classifier_is_read(tmp_path: Path) -> None:
    path = tmp_path / "round-2.stopped.txt"
    path.write_text("mine, round 2: Fine-tuning stopped at step 3: the loss or its gradient was not finite.\n")
    assert read_stopped(path) == Stopped("mine", 2, StopReason.NOT_FINITE, step=3)


def lack(old: dict[str, Any]) -> None:
    """What a file did not need to have."""
    del old["ceiling"], old["budget"], old["differences"]["ceiling"]
    old["controls"] = {}
    old["differences"] = {"before": {"shifted_accuracy": None, "ece": None}}
    for row in old["after"]["robust_accuracy"]:
        del row["attack_images"]


def test_what_a_file_did_not_need_to_have_may_lack(tmp_path: Path) -> None:
    results = read(tmp_path, lack)
    assert list(results.arms) == ["before", "feedback"]
    assert results.differences["before"].by_measure == {}
    assert results.before.compute is None


def test_a_number_without_its_interval_could_be_anywhere(tmp_path: Path) -> None:
    def change(old: dict[str, Any]) -> None:
        old["before"]["intervals"]["ece"] = None
        old["preferences"]["by_round"][1] |= {"low": None, "high": None}
        old["preferences"]["reward_accuracy_interval"] = None

    results = read(tmp_path, change)
    assert results.before.ece == Interval(OLD["before"]["ece"], 0, 1)
    assert results.preferences.reward_accuracy == Interval(0.75, 0, 1)


def test_a_number_that_was_unreliable_stays_so(tmp_path: Path) -> None:
    def change(old: dict[str, Any]) -> None:
        old["before"]["robust_accuracy"][0] |= {"reliable": False, "flags": []}
        old["before"]["robust_accuracy"][1] |= {"reliable": False, "flags": ["zero_gradients"]}

    first, second, third = read(tmp_path, change).before.robust_accuracy
    assert first.flags == ("Not reliable, for a reason that was not recorded.",)
    assert second.flags == ("zero_gradients",)
    assert third.reliable


@pytest.mark.parametrize(
    "damage",
    [
        lambda old: old.pop("after"),
        lambda old: old.pop("preferences"),
        lambda old: old["before"].pop("intervals"),
        lambda old: old["before"].update(clean_accuracy=96.2),
        lambda old: old.update(controls=[]),
        lambda old: old.update(stopped=[3]),
        lambda old: old["before"]["intervals"].update(ece=[0.3, 0.2]),
    ],
)
def test_a_damaged_file_of_format_1_is_named(damage: Change, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json is damaged .*delete it and run the study again"):
        read(tmp_path, damage)
