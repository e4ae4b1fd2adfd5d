"""results.json: what its schema refuses, and that a file is whole or absent."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from explainfb.core.errors import InputError
from explainfb.core.types import CrossCheck, Interval, OutOfBagTest, ThreatModel
from explainfb.results.encoding import as_json
from explainfb.results.json_file import read_results, read_stopped, schema, write_results, write_stopped
from explainfb.results.measures import robust_accuracy_under
from explainfb.results.records import Stopped, StopReason, StudyResults
from results_example import example_results, with_arm, with_difference, without_arms, without_shortcut

Damage = Callable[[dict[str, Any]], object]
STOPS = (
    Stopped("feedback", 2, StopReason.NOT_FINITE, step=3),
    Stopped("random_answers", 1, StopReason.NOT_FOLLOWED, test=OutOfBagTest(12, 15, 0.053), members=3),
    Stopped("", 0, StopReason.UNKNOWN, message="The machine was tired."),
)


def full_results() -> StudyResults:
    """With everything that may be absent."""
    results = replace(example_results(), stopped=STOPS)
    first = results.before.robust_accuracy[0]
    first = replace(first, attack_images={"pgd": 90}, cross_check=CrossCheck("AutoAttack", 0.5, 0.6, 10))
    results = with_arm(results, "before", robust_accuracy=(first, *results.before.robust_accuracy[1:]))
    awkward = robust_accuracy_under(ThreatModel("linf", 8 / 255))
    results = with_difference(results, "before", awkward, Interval(0.1, -0.1, 0.3))
    return replace(results, preferences=replace(results.preferences, annotator_reliability={"Ada": 0.97}))


EXAMPLES = {
    "full": full_results(),
    "plain": example_results(),
    "without shortcut": without_shortcut(example_results()),
    "two arms": without_arms(example_results(), "no_shortcut", "cross_entropy", "random_answers"),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_written_is_read_back(example: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(EXAMPLES[example], path)
    assert read_results(path) == EXAMPLES[example]
    assert json.loads(path.read_text(encoding="utf-8"))["format"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_every_object_is_closed_except_where_open_by_design() -> None:
    """Wherever a name is added that the schema does not know, it is refused."""
    plain = as_json(full_results())
    open_objects = set()

    def walk(node: object, path: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            node["surprise"] = 3
            if Draft202012Validator(schema()).is_valid(plain):
                open_objects.add(path[-1])
            del node["surprise"]
            for key, inner in node.items():
                walk(inner, (*path, key))
        elif isinstance(node, list):
            for inner in node:
                walk(inner, (*path, "[]"))

    walk(plain, ())
    assert open_objects == {"settings", "seconds", "attack_images"}


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (lambda r: r.pop("seed"), "the top: 'seed' is a required property"),
        (lambda r: r["arms"]["before"].pop("ece"), "arms.before: 'ece' is a required property"),
        (lambda r: r["arms"]["feedback"].update(clean_accuracy=1.2), "arms.feedback.clean_accuracy: 1.2"),
        (lambda r: r["arms"]["cross_entropy"].update(shifted_accuracy=-0.1), "cross_entropy.shifted_accuracy"),
        (lambda r: r["arms"]["before"].update(ece=0.1), "arms.before.ece: 0.1 is not the estimate of its interval"),
        (lambda r: r.update(verdict="great"), "'verdict' was unexpected"),
        (lambda r: r["arms"]["feedback"].update(auc=0.9), "'auc' was unexpected"),
        (lambda r: r["arms"]["feedback"]["robust_accuracy"][0].update(norm="l3"), "feedback.robust_accuracy.0.norm"),
        (
            lambda r: r["arms"]["feedback"]["robust_accuracy"][0].update(reliable=False),
            "robust_accuracy.0: what failed",
        ),
        (lambda r: r["differences"].pop("before"), "differences: 'before' is a required property"),
        (lambda r: r["arms"].pop("feedback"), "arms: 'feedback' is a required property"),
        (lambda r: r["arms"].update({"<script>": r["arms"]["before"]}), "arms"),
        (lambda r: r["arms"].update(mine=r["arms"]["before"]), "arm_descriptions: mine is not described"),
        (lambda r: r["arms"]["feedback"].update(ece=float("nan")), "feedback.ece: nan"),
        (lambda r: r["settings"].update(strength=float("inf")), "settings.strength: inf"),
        (lambda r: r["arms"]["feedback"]["robust_accuracy"][1].update(low=0.9, high=0.8), "robust_accuracy.1.low and"),
        (lambda r: r["arms"]["before"]["intervals"]["ece"].update(low=0.5), "before.intervals.ece.low and high: 0.5"),
        (lambda r: r["preferences"]["by_round"][0].update(reward_accuracy=0.1), "by_round.0.reward_accuracy"),
        (lambda r: r["preferences"].update(annotator_reliability={"Ada": 2.0}), "annotator_reliability.Ada"),
        (lambda r: r["arms"]["before"]["reliability"]["count"].pop(), "as many confidences, accuracies and counts"),
        (lambda r: r["environment"].pop("machine"), "environment: 'machine'"),
        (lambda r: r["stopped"][0].update(reason="tired"), "stopped.0.reason"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(damage: Damage, place: str, tmp_path: Path) -> None:
    path, plain = tmp_path / "results.json", as_json(full_results())
    damage(plain)
    path.write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_results(path)
    assert place in str(error.value)
    assert f"{path} is damaged" in str(error.value)


@pytest.mark.parametrize("value", [1.2, float("nan"), -0.1])
def test_what_cannot_be_is_not_written(value: float, tmp_path: Path) -> None:
    results = with_arm(example_results(), "before", ece=Interval(value, value, value))
    with pytest.raises(InputError, match=r"arms\.before"):
        write_results(results, tmp_path / "results.json")
    assert list(tmp_path.iterdir()) == []


def test_settings_may_be_called_anything(tmp_path: Path) -> None:
    named = {"low": 3, "high": 1, "fill": None, "crowd": [0.1, 0.2]}
    write_results(replace(example_results(), settings=named), tmp_path / "results.json")
    assert read_results(tmp_path / "results.json").settings == named


def test_writing_the_same_results_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_results(full_results(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("text", ["", '{"task": "digi', "[]", "3", '{"task": NaN}', '{"format": 2}', "\udce9"])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as error:
        read_results(path)
    assert str(path) in str(error.value)
    assert "delete it" in str(error.value)


def test_a_file_of_a_later_version_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"format": 3}')
    with pytest.raises(InputError, match=r"is of format 3 and this version reads formats 1 and 2; take a newer"):
        read_results(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No results at .*nowhere\.json"):
        read_results(tmp_path / "nowhere.json")


@pytest.mark.parametrize("stop", STOPS)
def test_why_a_round_stopped_is_read_back(stop: Stopped, tmp_path: Path) -> None:
    write_stopped(stop, tmp_path / "round-2.stopped.json")
    assert read_stopped(tmp_path / "round-2.stopped.json") == stop


@pytest.mark.parametrize("text", ["", "[]", '{"arm": "feedback"}', '{"arm": "a", "round": 1, "reason": "tired"}'])
def test_a_damaged_reason_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "round-2.stopped.json").write_text(text)
    with pytest.raises(InputError, match=r"round-2\.stopped\.json is damaged .*restore it"):
        read_stopped(tmp_path / "round-2.stopped.json")
