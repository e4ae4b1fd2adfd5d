"""How hard a classifier is attacked: the default, and a preset for final numbers."""

from dataclasses import dataclass, fields

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class AttackSettings:
    """How hard to attack, and on how many images.

    A field that ends in `_images` says on how many of the correctly classified images, drawn at random, an attack runs:
    slow ones on few, and 0 leaves the attack out. The sanity checks cannot be left out.

    >>> from explainfb import AttackSettings
    >>> AttackSettings(pgd_steps=100, pgd_restarts=6).square_queries
    100
    """

    pgd_steps: int = 20
    """Gradient steps of each start of PGD, on every image."""
    pgd_relative_step: float = 0.2
    """A step of PGD (Madry et al. 2018) as a share of epsilon. Foolbox's .033 for L∞ and .025 for L2 are too short to
    reach the far side of the ball in 20 steps, and leave images standing that fall to this."""
    pgd_step_search: tuple[float, ...] = (0.07, 0.5)
    """Other shares that are tried first, on a few images at the middle epsilon; the one that breaks most is used. Empty
    for no search."""
    step_search_images: int = 16
    """On how many images these shares are tried."""
    pgd_restarts: int = 2
    """Starts of PGD, each from a random place. The first follows the cross-entropy, the second the margin between the
    logits, and so on in turn."""
    minimum_norm_steps: int = 20
    """Steps of FMN (Pintor et al. 2021) in L∞ and DDN (Rony et al. 2019) in L2; one run serves every epsilon."""
    targeted_classes: int = 2
    """Towards how many other classes targeted PGD goes, the likeliest first (Gowal et al. 2019)."""
    targeted_images: int = 40
    """On how many images targeted PGD runs."""
    deepfool_steps: int = 10
    """Steps of DeepFool (Moosavi-Dezfooli et al. 2016); one run serves every epsilon."""
    deepfool_images: int = 50
    """On how many images DeepFool runs."""
    transfer_images: int = 50
    """For how many images an adversarial one is made against the surrogate (Papernot et al. 2017), where one is
    given."""
    square_queries: int = 100
    """How often the square attack (Andriushchenko et al. 2020) asks the classifier about each image."""
    square_images: int = 100
    """On how many images the square attack runs."""
    hop_skip_jump_steps: int = 4
    """Steps of HopSkipJump (Chen et al. 2020), which sees decisions only; each asks some hundred times."""
    hop_skip_jump_images: int = 8
    """On how many images HopSkipJump runs."""
    gen_attack_steps: int = 8
    """Generations of GenAttack (Alzantot et al. 2019), in L∞ alone; each asks ten times."""
    gen_attack_images: int = 4
    """On how many images GenAttack runs."""
    advgan_images: int = 0
    """On how many images AdvGAN (Xiao et al. 2018) runs, in L∞ alone: a generator that is trained for each epsilon, on
    training images, before it attacks any."""
    advgan_steps: int = 1500
    """Steps of the generator's training."""
    noise_repeats: int = 10
    """Draws of random noise, on every image."""
    check_images: int = 32
    """On how many images the sanity checks run PGD anew."""
    check_steps_factor: int = 3
    """How many times more steps `more_steps_help` tries, each shorter by the square root of it: finer, and farther."""
    check_restarts: int = 1
    """How many restarts more `more_restarts_help` tries."""
    batch_size: int = 256
    """Images that are attacked at a time; with another number, other random starts are drawn."""

    def __post_init__(self) -> None:
        check_fields(self, "AttackSettings.")
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, tuple):
                if not all(share > 0 for share in value):
                    raise InputError(f"AttackSettings.{setting.name} must be greater than 0 each; found {value}.")
            elif setting.name == "check_images" and not value >= 1:
                raise InputError(f"Sanity checks need AttackSettings.check_images of at least 1; found {value}.")
            elif setting.name.endswith("_images") and not value >= 0:
                raise InputError(f"AttackSettings.{setting.name} must be at least 0; found {value}.")
            elif not setting.name.endswith("_images") and not value > 0:
                raise InputError(f"AttackSettings.{setting.name} must be greater than 0; found {value}.")


ATTACKS = AttackSettings()
"""The default: some ten seconds a classifier for LeNet on 28×28 images and seven threat models."""
BRIEF = AttackSettings(
    targeted_images=0,
    deepfool_images=0,
    transfer_images=0,
    square_images=50,
    hop_skip_jump_images=0,
    gen_attack_images=0,
)
"""For many classifiers that are compared with each other: what breaks most images, and the sanity checks."""
EVERY = 1_000_000
THOROUGH = AttackSettings(
    pgd_steps=100,
    pgd_relative_step=0.1,
    pgd_step_search=(0.02, 0.05, 0.2, 0.5),
    step_search_images=100,
    pgd_restarts=6,
    minimum_norm_steps=200,
    targeted_classes=EVERY,
    targeted_images=EVERY,
    deepfool_steps=50,
    deepfool_images=EVERY,
    transfer_images=EVERY,
    square_queries=2_000,
    square_images=EVERY,
    hop_skip_jump_steps=32,
    hop_skip_jump_images=50,
    gen_attack_steps=200,
    gen_attack_images=50,
    noise_repeats=10_000,
    check_images=100,
    check_steps_factor=5,
    check_restarts=4,
)
"""For final numbers: every class a target, every image under nearly every attack, 10,000 draws of noise."""
