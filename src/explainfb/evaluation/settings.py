"""What is measured on a classifier."""

from dataclasses import dataclass, field

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.types import ThreatModel
from explainfb.explanations.settings import LimeSettings
from explainfb.robustness.settings import AttackSettings


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What is measured on a classifier, and on how many test images.

    >>> from explainfb import EvaluationSettings
    >>> EvaluationSettings(linf=(0.1, 0.05), l2=()).threat_models
    [ThreatModel(norm='linf', epsilon=0.05), ThreatModel(norm='linf', epsilon=0.1)]
    """

    linf: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    """ε of the L∞ threat models: the largest change of a pixel in [0, 1]."""
    l2: tuple[float, ...] = (0.5, 1.0, 2.0)
    """ε of the L2 threat models: the length of a change of all pixels in [0, 1]."""
    attack_images: int = 200
    """How many test images are attacked, at least 1."""
    explain_images: int = 100
    """How many test images are explained at most, to measure the shortcut's share, at least 1."""
    faithfulness_images: int = 20
    """On how many of the explained images it is measured how true the explanations are to the classifier: deletion,
    insertion, infidelity and sensitivity. Each costs some four explanations; 0 leaves it out."""
    lime: LimeSettings = field(default_factory=lambda: LimeSettings(n_samples=500, fill="zero"))
    """How they are explained. Filling with black tells whether what is there matters, and with far less noise than
    filling with other images, whose content moves the outputs as well."""
    attacks: AttackSettings = field(default_factory=AttackSettings)
    """How hard they are attacked."""
    autoattack_images: int = 0
    """On how many of the attacked images AutoAttack of the Adversarial Robustness Toolbox runs beside; needs the extra
    `art`, and takes longer than everything else."""

    def __post_init__(self) -> None:
        check_fields(self, "evaluation.")
        if not self.threat_models:  # which checks every size
            raise InputError("Robustness needs a size of attack; found none in --evaluation.linf and --evaluation.l2.")
        for name in ("attack_images", "explain_images"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"--evaluation.{name.replace('_', '-')} must be at least 1; found {getattr(self, name)}."
                )
        if self.faithfulness_images < 0:
            raise InputError(
                f"--evaluation.faithfulness-images is a number of images, or 0; found {self.faithfulness_images}."
            )
        if not 0 <= self.autoattack_images <= self.attack_images:
            raise InputError(
                f"--evaluation.autoattack-images is a number of the {self.attack_images} attacked images; found "
                f"{self.autoattack_images}."
            )

    @property
    def threat_models(self) -> list[ThreatModel]:
        return [ThreatModel("linf", e) for e in sorted(self.linf)] + [ThreatModel("l2", e) for e in sorted(self.l2)]
