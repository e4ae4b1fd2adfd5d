"""What was computed with what: versions, the machine, and how long each stage took; kept in provenance.json."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from explainfb.core.errors import InputError
from explainfb.core.files import check_file, read_json, write_json

if TYPE_CHECKING:
    import torch

PACKAGES = ("explainfb", "torch", "torchvision", "foolbox", "lime", "numpy", "scipy", "scikit-learn")
PROVENANCE = "provenance.json"
FORMAT = 2
"""Of provenance.json; format 1 had no packages."""
BETWEEN = "; "
"""Between the values of several environments."""
UNKNOWN = "not recorded"


def describe_environment(device: "torch.device | None" = None) -> dict[str, str]:
    """Versions by package, the machine and its processor in words, and the device where one is given.

    Nothing names the machine or its user.
    """
    versions = {name: metadata.version(name) for name in PACKAGES}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    system = {"machine": machine, "processor": _processor(), "python": platform.python_version()}
    return system | versions | _device_entry(device)


def _processor() -> str:
    """Its model, on which rounding depends, as the system names it."""
    # `platform.processor` is empty on many Linux systems
    listed = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    models = [line.partition(":")[2].strip() for line in listed.splitlines() if line.startswith("model name")]
    return next(iter(models), platform.processor() or UNKNOWN)


def _device_entry(device: "torch.device | None") -> dict[str, str]:
    if device is None:
        return {}
    import torch

    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device)}
    return {"device": device.type, "instructions": torch.backends.cpu.get_cpu_capability()}


@cache
def installed_packages() -> dict[str, str]:
    """The version of every package that is installed, by name; that of explainfb with its commit, where it has one."""
    found = {each.metadata["Name"]: each.version for each in metadata.distributions() if each.metadata["Name"]}
    commit = _commit()
    named = {"explainfb": f"{metadata.version('explainfb')}, commit {commit}"} if commit else {}
    return dict(sorted((found | named).items(), key=lambda item: item[0].lower()))


def _commit() -> str:
    """What the source was checked out at, or what pip installed from; empty for a release, whose version says it."""
    origin = json.loads(metadata.distribution("explainfb").read_text("direct_url.json") or "{}")
    if "vcs_info" in origin:
        return str(origin["vcs_info"]["commit_id"])
    source = Path(__file__).parents[3]
    if not (source / ".git").exists():
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        commit = _git(source, "rev-parse", "HEAD")
        return commit + (" and changes" if _git(source, "status", "--porcelain", "--", "src", "apps") else "")
    return ""


def _git(source: Path, *words: str) -> str:
    command = ["git", "-C", str(source), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()


def merge_environments(earlier: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    """Of what was computed in two environments: where they differ, each value, the earlier first.

    Neither replaces the other, because some files of the study were made in each.
    """
    if not earlier or not later:
        return dict(earlier or later)
    names = dict.fromkeys([*earlier, *later])
    return {name: _merge_values(earlier.get(name, UNKNOWN), later.get(name, UNKNOWN)) for name in names}


def _merge_values(earlier: str, later: str) -> str:
    return BETWEEN.join(dict.fromkeys([*earlier.split(BETWEEN), *later.split(BETWEEN)]))


@dataclass(frozen=True)
class Provenance:
    """Where the files of a study come from."""

    environment: dict[str, str]
    """Every one in which something was computed, as `merge_environments` writes them."""
    seconds: dict[str, float]
    """Wall-clock time by stage, added up over interruptions."""
    packages: dict[str, str] = field(default_factory=dict)
    """Every package that was installed then, as `installed_packages` names them; none where nobody wrote them down."""

    @classmethod
    def here(cls, device: "torch.device", seconds: Mapping[str, float]) -> "Provenance":
        """Of what this process computed on `device` in so many `seconds` by stage."""
        return cls(describe_environment(device), dict(seconds), installed_packages())

    def then(self, later: "Provenance") -> "Provenance":
        """With what was computed since."""
        spent = {name: self.seconds.get(name, 0.0) + seconds for name, seconds in later.seconds.items()}
        packages = merge_environments(self.packages, later.packages)
        return Provenance(merge_environments(self.environment, later.environment), self.seconds | spent, packages)


def add_provenance(folder: Path, computed: Provenance) -> Provenance:
    """Add what was computed to provenance.json in `folder`, from whichever process; returns what it holds then."""
    # each arm may run in a process of its own, and without a lock one would overwrite what another has just added
    with FileLock(folder / "provenance.lock"):
        known = read_provenance(folder)
        whole = computed if known is None else known.then(computed)
        write_provenance(folder, whole)
    return whole


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Write provenance.json, whatever it held."""
    write_json({"format": FORMAT, **asdict(provenance)}, folder / PROVENANCE)


def read_provenance(folder: Path) -> Provenance | None:
    """What provenance.json in `folder` holds; None without one. Raises `InputError` naming it when it is damaged."""
    path = folder / PROVENANCE
    if not path.is_file():
        return None
    check_file(path, FORMAT)
    try:
        return Provenance(**read_json(path))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged; restore it, or delete it to have its times left out.") from error
