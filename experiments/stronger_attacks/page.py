"""The table of what the stronger attacks leave."""

from collections.abc import Sequence
from pathlib import Path

from experiments.page import Page, label, rows
from experiments.stronger_attacks.attacked import Attacked, HeldUnder, by_arm, read_attacked

SIGNS = {"linf": "L∞", "l2": "L2"}


def page_of(path: Path) -> Page:
    """Of a results.json."""
    return Page({"held": table(read_attacked(path))})


def table(found: Sequence[Attacked]) -> str:
    """One line an arm: of all images of all seeds, how many hold in the study, under THOROUGH, under AutoAttack."""
    groups = by_arm(found)
    threats = [each.threat_model for each in found[0].threats]
    heading = [f"{SIGNS[each.norm]} {each.epsilon:g}".replace("0.", ".") for each in threats]
    lines = []
    for (task, study, arm), group in groups.items():
        cells = [_cell([one.threats[place] for one in group]) for place in range(len(threats))]
        images = sum(len(one.threats[0].held["study"]) for one in group)
        fell = sum(threat.fell_only_now for one in group for threat in one.threats)
        lines.append([f"{task}, {study}", label(arm), f"{images}", *cells, str(fell)])
    return rows(["studies", "arm", "images", *heading, "fell only now"], lines)


def _cell(seeds: Sequence[HeldUnder]) -> str:
    """With a star where a sanity check failed on some seed."""
    counts = [str(sum(int(each.held[name].sum()) for each in seeds)) for name in seeds[0].held]
    return ", ".join(counts) + "\\*" * any(each.flags for each in seeds)
