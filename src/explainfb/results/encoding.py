"""Results as records ↔ as the dictionaries of results.json, format 2, which `results.schema.json` describes."""

from dataclasses import asdict
from typing import Any

from explainfb.core.types import CrossCheck, Interval, OutOfBagTest, RobustAccuracy, ThreatModel
from explainfb.results.measures import FAITHFULNESS, MEASURES, ROBUST, measure_of, robust_accuracy_under
from explainfb.results.records import (
    ArmDescription,
    ArmDifference,
    ArmResult,
    Compute,
    Faithfulness,
    PreferenceResults,
    ReliabilityBins,
    RoundResult,
    Stopped,
    StopReason,
    StudyResults,
)

FORMAT = 2
Json = dict[str, Any]


def as_json(results: StudyResults) -> Json:
    """The dictionary that results.json holds."""
    arms = results.arms.values()
    return {
        "format": FORMAT,
        "task": results.task,
        "seed": results.seed,
        "command": results.command,
        "settings": dict(results.settings),
        "environment": dict(results.environment),
        "preferences": _preferences_as_json(results.preferences),
        "arms": {name: _arm_as_json(arm) for name, arm in results.arms.items()},
        "arm_descriptions": {each.arm.name: _description_as_json(each.arm) for each in arms},
        "differences": {name: _difference_as_json(each) for name, each in results.differences.items()},
        "compute": {each.arm.name: asdict(each.compute) for each in arms if each.compute is not None},
        "seconds": dict(results.seconds),
        "stopped": [stopped_as_json(stop) for stop in results.stopped],
    }


def from_json(found: Json) -> StudyResults:
    """The inverse of `as_json`; `found` fits the schema."""
    descriptions = {name: ArmDescription(name, **words) for name, words in found["arm_descriptions"].items()}
    compute = {name: Compute(**counts) for name, counts in found["compute"].items()}
    arms = found["arms"].items()
    return StudyResults(
        task=found["task"],
        seed=found["seed"],
        command=found["command"],
        settings=found["settings"],
        environment=found["environment"],
        preferences=_preferences_from(found["preferences"]),
        arms={name: _arm_from(arm, descriptions[name], compute.get(name)) for name, arm in arms},
        differences={name: _difference_from(each) for name, each in found["differences"].items()},
        seconds=found["seconds"],
        stopped=tuple(stopped_from(stop) for stop in found["stopped"]),
    )


def _interval_as_json(interval: Interval | None) -> Json | None:
    return None if interval is None else asdict(interval)


def _interval_from(found: Json | None) -> Interval | None:
    return None if found is None else Interval(**found)


def _preferences_as_json(preferences: PreferenceResults) -> Json:
    last = preferences.reward_accuracy
    reliability = dict(preferences.annotator_reliability)
    return {
        "answers": preferences.answers,
        "annotators": list(preferences.annotators),
        "reward_accuracy": None if last is None else last.estimate,
        "reward_accuracy_interval": _interval_as_json(last),
        "by_round": [_round_as_json(each) for each in preferences.rounds],
        **({"annotator_reliability": reliability} if reliability else {}),
        **({} if preferences.both_bad is None else {"both_bad": preferences.both_bad}),
    }


def _round_as_json(each: RoundResult) -> Json:
    accuracy = each.reward_accuracy
    return {
        "round": each.round,
        "answers": each.answers,
        "held_out": each.held_out,
        "reward_accuracy": None if accuracy is None else accuracy.estimate,
        "interval": _interval_as_json(accuracy),
    }


def _preferences_from(found: Json) -> PreferenceResults:
    rounds = [
        RoundResult(row["round"], row["answers"], row["held_out"], _interval_from(row["interval"]))
        for row in found["by_round"]
    ]
    return PreferenceResults(
        answers=found["answers"],
        annotators=tuple(found["annotators"]),
        rounds=tuple(rounds),
        annotator_reliability=found.get("annotator_reliability", {}),
        both_bad=found.get("both_bad"),
    )


def _description_as_json(arm: ArmDescription) -> Json:
    return {"label": arm.label, "meaning": arm.meaning, "role": arm.role}


def _arm_as_json(result: ArmResult) -> Json:
    measured = {measure.key: result.measured(measure) for measure in MEASURES}
    bins = result.reliability
    return {
        **{key: None if interval is None else interval.estimate for key, interval in measured.items()},
        "n": result.n,
        "intervals": {key: _interval_as_json(interval) for key, interval in measured.items()},
        "reliability": {
            "confidence": list(bins.confidence),
            "accuracy": list(bins.accuracy),
            "count": list(bins.count),
        },
        ROBUST: [_robust_as_json(robust) for robust in result.robust_accuracy],
        **({} if result.faithfulness is None else {"faithfulness": asdict(result.faithfulness)}),
    }


def _arm_from(found: Json, arm: ArmDescription, compute: Compute | None) -> ArmResult:
    bins = found["reliability"]
    measured: Json = {measure.key: _interval_from(found["intervals"].get(measure.key)) for measure in MEASURES}
    return ArmResult(
        arm=arm,
        n=found["n"],
        **measured,
        reliability=ReliabilityBins(tuple(bins["confidence"]), tuple(bins["accuracy"]), tuple(bins["count"])),
        robust_accuracy=tuple(_robust_from(row) for row in found[ROBUST]),
        compute=compute,
        faithfulness=_faithfulness_from(found["faithfulness"]) if "faithfulness" in found else None,
    )


def _faithfulness_from(found: Json) -> Faithfulness:
    return Faithfulness(found["n"], **{measure.key: Interval(**found[measure.key]) for measure in FAITHFULNESS})


def _robust_as_json(robust: RobustAccuracy) -> Json:
    return {
        "norm": robust.threat_model.norm,
        "epsilon": robust.threat_model.epsilon,
        "accuracy": robust.accuracy.estimate,
        "low": robust.accuracy.low,
        "high": robust.accuracy.high,
        "n": robust.n,
        "attacks": robust.attacks,
        "attack_images": robust.attack_images,
        "reliable": robust.reliable,
        "flags": list(robust.flags),
        **({"cross_check": asdict(robust.cross_check)} if robust.cross_check else {}),
    }


def _robust_from(row: Json) -> RobustAccuracy:
    return RobustAccuracy(
        threat_model=ThreatModel(row["norm"], row["epsilon"]),
        accuracy=Interval(row["accuracy"], row["low"], row["high"]),
        n=row["n"],
        attacks=row["attacks"],
        flags=tuple(row["flags"]),
        attack_images=row.get("attack_images", {}),
        cross_check=CrossCheck(**row["cross_check"]) if "cross_check" in row else None,
    )


def _difference_as_json(difference: ArmDifference) -> Json:
    compared = [(measure_of(key).threat_model, interval) for key, interval in difference.by_measure.items()]
    return {
        **{measure.key: _interval_as_json(difference.of(measure)) for measure in MEASURES},
        ROBUST: [asdict(model) | asdict(interval) for model, interval in compared if model is not None],
    }


def _difference_from(found: Json) -> ArmDifference:
    plain = {measure.key: found[measure.key] for measure in MEASURES if found.get(measure.key) is not None}
    robust = {
        robust_accuracy_under(ThreatModel(row.pop("norm"), row.pop("epsilon"))).key: row
        for row in map(dict, found[ROBUST])  # copies, from which the key is taken out
    }
    return ArmDifference({key: Interval(**ends) for key, ends in (plain | robust).items()})


def stopped_as_json(stop: Stopped) -> Json:
    """Of a round that did not run to its end, what is known."""
    known = {"step": stop.step, "test": stop.test and asdict(stop.test), "members": stop.members}
    return {
        "arm": stop.arm,
        "round": stop.round,
        "reason": str(stop.reason),
        **{name: value for name, value in known.items() if value is not None},
        **({"message": stop.message} if stop.message else {}),
    }


def stopped_from(found: Json) -> Stopped:
    """The inverse of `stopped_as_json`."""
    return Stopped(
        arm=found["arm"],
        round=found["round"],
        reason=StopReason(found["reason"]),
        step=found.get("step"),
        test=OutOfBagTest(**found["test"]) if "test" in found else None,
        members=found.get("members"),
        message=found.get("message", ""),
    )
