"""What a result was computed with: versions and the machine."""

import os
import platform
from importlib import metadata

PACKAGES = ("explainfb", "torch", "torchvision", "foolbox", "lime", "numpy", "scipy", "scikit-learn", "torchmetrics")


def environment() -> dict[str, str]:
    """Versions by package, and the machine in words; nothing that names the machine or its user."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return {"python": platform.python_version(), "machine": machine, **versions}
