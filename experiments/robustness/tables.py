"""The tables: arms by start and set of images, and what was tested."""

from typing import Any

import numpy as np

from explainfb.statistics.contrasts import LEVEL, half_width

Row = dict[str, Any]


def over_seeds(values: list[float]) -> Row:
    mean, half = float(np.mean(values)), half_width(np.array(values))
    return {"mean": mean, "half": half, "values": [float(value) for value in values]}


def table(summary: list[Row], tested: list[Row]) -> str:
    """Markdown: arms by start and set of images, then what was tested."""
    by = {(row["start"], row["images"], row["norm"], row["arm"]): row for row in summary}
    lines = []
    for start, images in dict.fromkeys((row["start"], row["images"]) for row in summary):
        sizes = by[next(key for key in by if key[:2] == (start, images))]
        lines += [f"**{start}: {sizes['task']}, {images} images**, seeds {', '.join(map(str, sizes['seeds']))}", ""]
        lines += ["| arm | accuracy | L∞ .1 | mean L∞ distance | median | L2 1 | mean L2 distance | median |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for arm in dict.fromkeys(key[3] for key in by if key[:2] == (start, images)):
            linf, l2 = by[start, images, "linf", arm], by[start, images, "l2", arm]
            cells = [arm, cell(linf["accuracy"][0]), *cells_of(linf, 0.1), *cells_of(l2, 1.0)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += ["| images | measure | difference | | 95 % interval | p (Holm) | |", "|---|---|---|---|---|---|---|"]
    for test in tested:
        interval = "–" if test["low"] is None else f"{test['low']:+.3f} to {test['high']:+.3f}"
        p = "–" if test["p"] is None else f"{test['p']:.2g}"
        verdict = f"a difference (p < {LEVEL})" if test["is_one"] else "not shown"
        verdict = verdict if test["reliable"] else "not to be relied on"
        what = f"{test['reference']} less {test['arm']}"
        cells = [test["images"], test["measure"], what, f"{test['difference']:+.3f}", interval, p, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cells_of(row: Row, epsilon: float) -> list[str]:
    """Accuracy at epsilon, starred where a check failed on some seed, mean and median distance."""
    place = row["epsilons"].index(epsilon)
    star = "*" if row["flagged"][place] else ""
    far = any(median is None for median in row["median_distances"])
    median = f"beyond {row['epsilons'][-1]:g}" if far else cell(over_seeds(row["median_distances"]))
    return [cell(row["accuracy"][place]) + star, cell(row["mean_distance"]), median]


def cell(found: Row) -> str:
    return f"{found['mean']:.3f}" + ("" if found["half"] is None else f" ± {found['half']:.3f}")
