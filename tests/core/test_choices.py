"""A setting that is one of a few words takes no other word."""

from typing import Any

import pytest

from explainfb import BaselineSettings, InputError, QuerySettings, RewardSettings, StudySettings


@pytest.mark.parametrize(
    ("settings", "wrong", "complaint"),
    [
        (QuerySettings, {"strategy": "margin"}, r"queries\.strategy is one of disagreement, random; found 'margin'"),
        (RewardSettings, {"scale": "logits"}, r"reward\.scale is one of share, probability; found 'logits'"),
        (BaselineSettings, {"wrong_masks": "none"}, r"baselines\.wrong_masks is one of .*; found 'none'"),
        (StudySettings, {"annotator": "Human"}, "annotator is one of simulated, human; found 'Human'"),
    ],
)
def test_a_word_that_is_no_choice_is_refused(settings: type, wrong: dict[str, Any], complaint: str) -> None:
    """`annotator="Human"` waited for people for ever, and an unknown strategy asked at random."""
    with pytest.raises(InputError, match=complaint):
        settings(**wrong)
