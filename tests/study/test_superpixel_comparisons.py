"""A study in which two superpixels of one explanation are compared and the reward reads the classifier's features."""

from dataclasses import replace
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.export.tables import answers_table
from explainfb.preferences.settings import QuerySettings
from explainfb.rewards.settings import RewardSettings
from explainfb.store import Store
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY

SETTINGS = replace(
    TINY,
    task="digits-ring",
    rounds=1,
    controls=(),
    queries=QuerySettings(compared="superpixels"),
    reward=RewardSettings(steps=20, members=2, features="classifier"),
)


def test_it_runs_and_its_answers_are_about_superpixels(tmp_path: Path) -> None:
    results = Study.open(tmp_path / "s", SETTINGS).run()
    assert results.preferences.answers == 24
    with Store(f"sqlite:///{tmp_path / 's' / 'study.db'}") as store:
        asked = [each.comparison for each in store.comparisons(1)]
        assert all(each.left.whole == each.right.whole and each.left.superpixel is not None for each in asked)
        table = answers_table(store)
        assert table["left_superpixel"].tolist() == [each.left.superpixel for each in asked]
    assert (tmp_path / "s" / "report" / "index.html").is_file()


def test_what_no_reward_could_read_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no convolutions"):
        Study.open(tmp_path / "s", replace(SETTINGS, training=replace(TINY.training, classifier="mlp"))).run()
    assert not (tmp_path / "s").exists()
    with pytest.raises(InputError, match="read by additive rewards"):
        RewardSettings(kind="free", features="classifier")
    with pytest.raises(InputError, match="at least 2"):
        QuerySettings(strongest=1)
    assert StudySettings().queries.compared == "explanations"
