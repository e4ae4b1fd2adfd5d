"""What was computed with what: versions, the machine, and how long each stage took; kept in provenance.json."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole

if TYPE_CHECKING:
    import torch

PACKAGES = ("explainfb", "torch", "torchvision", "foolbox", "lime", "numpy", "scipy", "scikit-learn", "torchmetrics")
PROVENANCE = "provenance.json"
BETWEEN = "; "
"""Between the values of an environment that was several."""
UNKNOWN = "not recorded"


def describe_environment(device: "torch.device | None" = None) -> dict[str, str]:
    """Versions by package, the machine and its processor in words, and the device where one is given.

    Nothing names the machine or its user.
    """
    versions = {name: metadata.version(name) for name in PACKAGES}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    made = {"machine": machine, "processor": _processor(), "python": platform.python_version()}
    return made | versions | _named(device)


def _processor() -> str:
    """Its model, on which rounding depends, as the system tells it."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    models = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return next(iter(models), platform.processor() or UNKNOWN)


def _named(device: "torch.device | None") -> dict[str, str]:
    if device is None:
        return {}
    import torch

    return {"device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type}


def both(earlier: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    """The environment of what was computed in two: where they differ, every value that was met, the earlier first."""
    if not earlier or not later:
        return dict(earlier or later)
    names = dict.fromkeys([*earlier, *later])
    return {name: _either(earlier.get(name, UNKNOWN), later.get(name, UNKNOWN)) for name in names}


def _either(earlier: str, later: str) -> str:
    return BETWEEN.join(dict.fromkeys([*earlier.split(BETWEEN), *later.split(BETWEEN)]))


@dataclass(frozen=True)
class Provenance:
    """Where the files of a study come from."""

    environment: dict[str, str]
    """Every one in which something was computed, as `both` says it."""
    seconds: dict[str, float]
    """Wall-clock time by stage, added up over interruptions."""

    def then(self, later: "Provenance") -> "Provenance":
        """With what was computed since."""
        spent = {name: self.seconds.get(name, 0.0) + seconds for name, seconds in later.seconds.items()}
        return Provenance(both(self.environment, later.environment), self.seconds | spent)


def remember(folder: Path, computed: Provenance) -> Provenance:
    """Add what was computed to provenance.json in `folder`, from whichever process; returns what it holds then."""
    with FileLock(folder / "provenance.lock"):
        known = recall(folder)
        whole = computed if known is None else known.then(computed)
        keep(folder, whole)
    return whole


def keep(folder: Path, provenance: Provenance) -> None:
    """Write provenance.json, whatever it held."""
    text = json.dumps(asdict(provenance), indent=1) + "\n"
    write_whole(folder / PROVENANCE, lambda partial: partial.write_text(text, encoding="utf-8"))


def recall(folder: Path) -> Provenance | None:
    """What provenance.json in `folder` holds; None without one. Raises `InputError` naming it when it is damaged."""
    path = folder / PROVENANCE
    if not path.is_file():
        return None
    try:
        return Provenance(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged; restore it, or delete it to have its times left out.") from error
