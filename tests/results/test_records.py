"""results.json: what its schema refuses, and that a file is whole or absent."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from explainfb.core.errors import InputError
from explainfb.results.format1 import arms, check_results, read_results, schema, write_results
from results_example import example_results, without_shortcut

Damage = Callable[[dict[str, Any]], object]


def test_schema_is_a_valid_schema_and_the_example_fits_it() -> None:
    Draft202012Validator.check_schema(schema())
    check_results(example_results())
    check_results(without_shortcut(example_results()))


def test_every_object_is_closed_except_where_open_by_design() -> None:
    open_objects = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object" and node.get("additionalProperties", True) is not False:
                open_objects.append(path.rpartition("/")[2])
            for key, inner in node.items():
                walk(inner, f"{path}/{key}")

    walk(schema(), "")
    by_name = ["annotator_reliability", "attack_images", "attacks", "budget", "controls", "differences", "environment"]
    assert sorted(open_objects) == [*by_name, "seconds", "settings"]


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (lambda r: r.pop("seed"), "the top: 'seed' is a required property"),
        (lambda r: r["before"].pop("ece"), "before: 'ece' is a required property"),
        (lambda r: r["after"].update(clean_accuracy=1.2), "after.clean_accuracy: 1.2"),
        (lambda r: r["controls"]["cross_entropy"].update(shifted_accuracy=-0.1), "cross_entropy.shifted_accuracy"),
        (lambda r: r.update(verdict="great"), "'verdict' was unexpected"),
        (lambda r: r["after"].update(auc=0.9), "'auc' was unexpected"),
        (lambda r: r["after"]["robust_accuracy"][0].update(norm="l3"), "after.robust_accuracy.0.norm"),
        (lambda r: r["differences"].pop("before"), "differences: 'before' is a required property"),
        (lambda r: r["controls"].update({"<script>": r["before"]}), "controls"),
        (lambda r: r["after"].update(ece=float("nan")), "after.ece: nan"),
        (lambda r: r["settings"].update(strength=float("inf")), "settings.strength: inf"),
        (lambda r: r["after"]["robust_accuracy"][1].update(low=0.9, high=0.8), "after.robust_accuracy.1.low and high"),
        (lambda r: r["before"]["intervals"].update(ece=[0.3, 0.2]), "before.intervals.ece: 0.3 exceeds 0.2"),
        (lambda r: r["preferences"].update(reward_accuracy_interval=[0.9, 0.7]), "reward_accuracy_interval"),
        (lambda r: r["before"]["reliability"]["count"].pop(), "before.reliability"),
        (lambda r: r["environment"].pop("machine"), "environment: 'machine'"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(damage: Damage, place: str, tmp_path: Path) -> None:
    results = example_results()
    damage(results)
    with pytest.raises(InputError) as error:
        write_results(results, tmp_path / "results.json")
    assert place in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_settings_may_be_called_anything() -> None:
    results = example_results()
    results["settings"] |= {"low": 3, "high": 1, "fill": None}
    check_results(results)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = example_results()
    write_results(results, path)
    assert read_results(path) == results
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_writing_the_same_results_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_results(copy.deepcopy(example_results()), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_crash_before_the_end_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    old = example_results()
    write_results(old, path)

    def crash(partial: Path, path: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="no space"):
        write_results(old | {"seed": 1}, path)
    assert read_results(path) == old


@pytest.mark.parametrize("text", ["", '{"task": "digi', "[]", '{"task": NaN}', "\udce9"])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as error:
        read_results(path)
    assert str(path) in str(error.value)
    assert "delete it" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No results at .*nowhere\.json"):
        read_results(tmp_path / "nowhere.json")


def test_a_file_with_one_bad_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = example_results()
    results["before"]["clean_accuracy"] = 96.2
    path.write_text(json.dumps(results))
    with pytest.raises(InputError) as error:
        read_results(path)
    assert str(path) in str(error.value)
    assert "before.clean_accuracy" in str(error.value)


def test_arms_come_in_the_order_of_the_table() -> None:
    results = example_results()
    assert [arm.key for arm in arms(results)] == ["before", "cross_entropy", "random_answers", "after", "ceiling"]
    del results["ceiling"]
    results["controls"] = {"rrr": results["before"]} | results["controls"]
    assert [arm.role for arm in arms(results)] == ["before", "control", "control", "reference", "after"]
