"""What is tested of a grid: feedback of each cell against its own arms, and of the reference against other cells."""

from collections.abc import Mapping
from pathlib import Path

from explainfb.evaluation.arm_contrasts import contrast_arms
from explainfb.results.records import FEEDBACK, StudyResults
from explainfb.statistics.contrasts import Contrast, corrected
from explainfb.study.finished import evaluation_of, evaluations_of
from explainfb.sweeps.settings import Grid

Studies = Mapping[str, Mapping[Path, StudyResults]]
"""Of each cell the studies that are done, by folder, in the order of their seeds."""


def grid_contrasts(grid: Grid, done: Studies) -> dict[str, tuple[Contrast, ...]]:
    """By cell, its feedback less what it is tested against; p-values are corrected for all of them together."""
    found = [(cell, contrast) for cell in done for contrast in _against_arms(grid, done[cell])]
    if grid.reference is not None and grid.reference in done:
        found += [(grid.reference, contrast) for contrast in _against_cells(grid, grid.reference, done)]
    # once more for all together: each call of `contrast_arms` corrected only its own
    tested = corrected([contrast for _, contrast in found])
    pairs = list(zip((cell for cell, _ in found), tested, strict=True))
    return {cell: tuple(contrast for other, contrast in pairs if other == cell) for cell in done}


def _against_arms(grid: Grid, studies: Mapping[Path, StudyResults]) -> list[Contrast]:
    """Feedback of a cell less each of its own arms."""
    if not grid.against_arms or not studies:
        return []
    arms = evaluations_of(studies)
    return contrast_arms(arms.pop(FEEDBACK), arms, grid.measures)


def _against_cells(grid: Grid, reference: str, done: Studies) -> list[Contrast]:
    """Feedback of the reference less that of each other cell, over the seeds that both have."""
    folders = {cell: {results.seed: folder for folder, results in found.items()} for cell, found in done.items()}
    here = folders.pop(reference)
    found = []
    for cell, there in folders.items():
        shared = sorted(here.keys() & there.keys())
        if shared:
            ours, theirs = ([evaluation_of(place[seed], FEEDBACK) for seed in shared] for place in (here, there))
            found += contrast_arms(ours, {cell: theirs}, grid.measures)
    return found
