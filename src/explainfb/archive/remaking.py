"""What is deleted with a file that is lost or damaged, so that `run` makes it anew, to the same bytes."""

import re
from pathlib import PurePosixPath

from explainfb.study.explaining import PASSES
from explainfb.study.folder import IDENTITY, RESULTS, SETTINGS

ROUND = re.compile(
    r"(?P<arm>controls/[^/]+/|)(?P<kind>classifiers|explanations|reward)/(?P<round>round-\d+)\.(?P<what>[a-z.]+)"
)
"""A file of a round of an arm; that of feedback lies in the study's own folder."""

KEPT = (SETTINGS, IDENTITY, RESULTS, PASSES, "provenance.json", "report/index.html")


def deleted_with(name: str) -> tuple[str, ...] | None:
    """The files to delete, `name` first, or None for what only a copy brings back.

    A round is done when its classifier is there; so without it, what the round lacks is made.
    """
    if name in (SETTINGS, IDENTITY, PASSES):  # what was measured might come out otherwise the next time
        return None
    found = ROUND.fullmatch(name)
    if found is None:
        return (name,)
    arm, number = found["arm"], found["round"]
    classifier = f"{arm}classifiers/{number}.safetensors"
    made = {
        "classifiers": (classifier,),
        "explanations": (f"{arm}explanations/{number}.safetensors", classifier),
        "reward": (f"{arm}reward/{number}.safetensors", f"{arm}reward/{number}.foretold.json", classifier),
    }
    return tuple(dict.fromkeys((name, *made[found["kind"]])))


def is_kept(name: str) -> bool:
    """Whether this is a file that a study relies on, by its path from the study's folder."""
    if ROUND.fullmatch(name) or name in KEPT:
        return True
    path = PurePosixPath(name)
    return path.parent.as_posix() == "evaluations" and path.suffix == ".safetensors"
