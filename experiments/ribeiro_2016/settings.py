"""What the experiments on texts are told."""

from dataclasses import dataclass
from pathlib import Path

from explainfb.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """What the experiments on texts share."""

    data_dir: Path
    """A folder with positive.review and negative.review: one domain of the multi-domain sentiment dataset."""
    out: Path = Path("studies/ribeiro_2016")
    """Where lines are written as they come, and results in the end."""
    first_seed: int = 0
    seeds: int = 3
    """How often everything is done: the split, the classifiers and all draws differ."""
    samples: int = 15_000
    """Perturbed documents for one explanation."""
    words: int = 10
    """That an explanation has at most."""

    def __post_init__(self) -> None:
        for name in ("seeds", "words"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1; found {getattr(self, name)}.")
        if self.samples < 100:
            raise InputError(f"An explanation needs at least 100 samples; found {self.samples}.")

    @property
    def all_seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)

    def told(self, *left_out: str) -> dict[str, object]:
        """What lines depend on: neither where they are kept nor how many there will be."""
        unneeded = {"data_dir", "out", "first_seed", "seeds", *left_out}
        return {"domain": self.data_dir.resolve().name} | {
            name: value for name, value in vars(self).items() if name not in unneeded
        }
