"""The arms by name, each with all that is said of it."""

import re
from typing import get_args

from explainfb.classifiers.networks import nearest_name
from explainfb.core.errors import InputError
from explainfb.results.records import BEFORE, FEEDBACK, NO_SHORTCUT, ArmDescription
from explainfb.study.arms import methods
from explainfb.study.arms.arm import Arm, FinetunedArm, NoShortcut
from explainfb.study.settings import KnownControl


class Arms(dict[str, Arm]):
    """Arms by name. The name is also that of a folder and of an entry in results, so it must be one of a kind."""

    def __setitem__(self, name: str, arm: Arm) -> None:
        """Add an arm of one's own, or put another in its place. Raises `InputError` for a name that is taken."""
        if not NAME.fullmatch(name):
            raise InputError(f"An arm's name has small letters, digits and underscores, as my_arm; found {name!r}.")
        if name in TAKEN:
            raise InputError(f"There is a {name} already; give your arm another name.")
        super().__setitem__(name, arm)

    def __missing__(self, name: str) -> Arm:
        nearest = nearest_name(name, list(self))
        raise InputError(
            f"There is no arm {name!r}; did you mean {nearest!r}? One of your own is put into "
            "explainfb.ARMS first, in each process that runs it."
        )


def describe(name: str) -> ArmDescription:
    """What the arm of this name is, in words: `before`, `feedback` or one of `ARMS`."""
    return SHARED[name] if name in SHARED else ARMS[name].describe(name)


NAME = re.compile(r"[a-z][a-z0-9_]*")
TAKEN = {*get_args(KnownControl), FEEDBACK, BEFORE, "after", "ceiling"}
"""The last two are what feedback and no_shortcut were called in files that still are read."""
SHARED = {
    BEFORE: ArmDescription(BEFORE, "before", "the classifier as it was trained, before any feedback", "before"),
    FEEDBACK: ArmDescription(
        FEEDBACK,
        "feedback",
        "the same classifier, fine-tuned to follow the reward learned from the answers",
        "feedback",
    ),
}
"""The two that every study has."""
ARMS = Arms(
    {
        "cross_entropy": FinetunedArm(
            label="cross-entropy only",
            meaning="the same steps on the same images, without a reward",
            method=methods.cross_entropy,
        ),
        "random_exchange": FinetunedArm(
            label="random exchange",
            meaning="the same exchange, and penalty if any, of random superpixels: nobody is asked",
            method=methods.random_exchange,
        ),
        "cutout": FinetunedArm(
            label="cutout",
            meaning="a black square at a random place of every image: nobody is asked (DeVries & Taylor 2017)",
            method=methods.cutout,
        ),
        "random_answers": FinetunedArm(
            label="random answers",
            meaning="the same loop with a coin giving the answers, whose reward is followed if it predicts any",
            annotator=methods.coin,
        ),
        "wrong_masks": FinetunedArm(
            label="wrong masks",
            meaning="the same loop with an annotator who prefers the wrong region",
            annotator=methods.wrong_masks,
            masks=lambda _: "relevance",
        ),
        "constant_map": FinetunedArm(
            label="one map for all",
            meaning="the same exchange by one map for all images, the mean of their masks: what one sentence can say",
            reference=True,
            method=methods.constant_map,
            masks=lambda _: "relevance",
        ),
        "oracle_reward": FinetunedArm(
            label="oracle reward",
            meaning="the annotator's own utility in place of a learned reward",
            reference=True,
            method=methods.oracle_reward,
            masks=lambda _: "relevance",
        ),
        "rrr": FinetunedArm(
            label="pixel masks (RRR)",
            meaning="right for the right reasons: told the irrelevant pixels of every training image "
            "(Ross et al. 2017)",
            reference=True,
            method=methods.rrr,
            fresh=lambda settings: settings.baselines.rrr_start == "fresh",
            masks=lambda settings: settings.baselines.rrr_masks,
        ),
        "jtt": FinetunedArm(
            label="just train twice (JTT)",
            meaning="what a classifier trained for few steps gets wrong counts for more: nobody is asked "
            "(Liu et al. 2021)",
            method=methods.jtt,
            fresh=lambda settings: True,
        ),
        "group_dro": FinetunedArm(
            label="group DRO",
            meaning="the worst of groups counts most, told of every training image (Sagawa et al. 2020)",
            reference=True,
            method=methods.group_dro,
            fresh=lambda settings: True,
            groups=True,
        ),
        "dfr": FinetunedArm(
            label="last layer anew (DFR)",
            meaning="a last layer fitted to as many images of every group, told of each (Kirichenko et al. 2023)",
            reference=True,
            method=methods.dfr,
            groups=True,
        ),
        "input_gradient": FinetunedArm(
            label="input gradient penalty",
            meaning="a penalty on the input gradient (Ross & Doshi-Velez 2018)",
            reference=True,
            method=methods.input_gradient,
        ),
        "adversarial_training": FinetunedArm(
            label="adversarial training",
            meaning="trained on its own adversarial examples (Madry et al. 2018)",
            reference=True,
            method=methods.adversarial_training,
        ),
        "no_shortcut_cutout": NoShortcut(
            label="no shortcut, cutout",
            meaning="trained without the shortcut, then tuned on as cutout is",
            role="reference",
            then=methods.cutout,
        ),
        NO_SHORTCUT: NoShortcut(
            label="no shortcut (ceiling)",
            meaning="trained on the same images without the shortcut: the most that feedback could give back",
            role="ceiling",
        ),
    }
)
"""All that is known of an arm stands in its entry here.

>>> from explainfb import ARMS
>>> ARMS["rrr"].describe("rrr").label
'pixel masks (RRR)'
"""
