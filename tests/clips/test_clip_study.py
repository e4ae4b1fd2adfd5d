"""A study of clips: it waits for people, survives a kill, and does not mix with another."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from explainfb import Answer, Clip, ClipSettings, ClipStudy, Comparison, ExplanationKey, InputError, Preference
from explainfb.export import export_answers, import_answers
from explainfb.labelling.served_clips import ServedClips, open_served
from explainfb.store import Store

KEYS = [ExplanationKey("robot", number) for number in range(4)]
ASKED = [Comparison.about(KEYS[:2], 1, asked="clips"), Comparison.about(KEYS[2:], 2, asked="clips")]
TWO = ClipSettings(rounds=2, seed=5)


def clip(grey: int) -> Clip:
    frames = np.full((25, 40, 60, 3), grey, dtype=np.uint8)
    frames[5:, :10] = 255 - grey
    return Clip(frames)


def begun(folder: Path, settings: ClipSettings = TWO) -> ClipStudy:
    study = ClipStudy(folder, settings)
    for number, key in enumerate(KEYS):
        study.keep(key, clip(10 * number))
    return study


def given(item: Comparison, answer: Answer, who: str = "Ada") -> Preference:
    now = datetime.now(UTC)
    return Preference(item, answer, who, TWO.seed, now, now)


def test_a_round_waits_for_people_and_stays_as_it_was(tmp_path: Path) -> None:
    with begun(tmp_path / "study") as study:
        answers = threading.Timer(0.3, lambda: study.store.record([given(ASKED[0], Answer.CANT_TELL)]))
        answers.start()
        found = study.ask(ASKED[:1])
        assert [each.answer for each in found] == [Answer.CANT_TELL]
        assert [each.comparison for each in found] == ASKED[:1]
    with begun(tmp_path / "study") as study:  # after a kill: nobody is asked again
        assert study.ask(ASKED[:1]) == found
        assert study.store.rounds() == {1: False}


def test_two_people_answer_where_two_are_wanted(tmp_path: Path) -> None:
    with begun(tmp_path / "study", ClipSettings(overlap=2)) as study:
        study.store.add_comparisons(ASKED[:1], seed=0)
        study.store.record([given(ASKED[0], Answer.LEFT, name) for name in ("Ada", "Bob")])
        assert len(study.ask(ASKED[:1])) == 2


def test_of_two_clips_nobody_says_that_both_are_bad(tmp_path: Path) -> None:
    with begun(tmp_path / "study") as study:
        study.store.add_comparisons(ASKED[:1], seed=0)
        with pytest.raises(InputError, match="clips is answered by left, right, equal, cant_tell"):
            study.store.record([given(ASKED[0], Answer.BOTH_BAD)])


def test_a_clip_that_people_may_have_seen_is_not_exchanged(tmp_path: Path) -> None:
    with begun(tmp_path / "study") as study:
        study.keep(KEYS[1], clip(10))
        with pytest.raises(InputError, match="another clip, which people may have seen"):
            study.keep(KEYS[1], clip(11))
        assert sorted(path.name for path in (tmp_path / "study/clips/robot").iterdir()) == [
            f"{n}.webp" for n in range(4)
        ]


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a\x1b"])
def test_a_clip_lies_nowhere_but_in_its_folder(name: str, tmp_path: Path) -> None:
    with begun(tmp_path / "study") as study, pytest.raises(InputError, match="plain name"):
        study.keep(ExplanationKey(name, 0), clip(1))


def test_only_clips_that_are_there_are_asked_about(tmp_path: Path) -> None:
    with begun(tmp_path / "study") as study:
        with pytest.raises(InputError, match="no clip"):
            study.ask([Comparison.about([KEYS[0], ExplanationKey("robot", 9)], 1, asked="clips")])
        with pytest.raises(InputError, match="rounds 1 to 2"):
            study.ask([Comparison.about(KEYS[:2], 3, asked="clips")])
        with pytest.raises(InputError, match="asked='clips'"):
            study.ask([Comparison.about(KEYS[:2], 1)])


def test_a_folder_is_of_one_study(tmp_path: Path) -> None:
    with begun(tmp_path / "one"), pytest.raises(InputError, match="being run by another process"):
        ClipStudy(tmp_path / "one", TWO)
    with pytest.raises(InputError, match="was begun with"):
        ClipStudy(tmp_path / "one", ClipSettings(rounds=3))
    with pytest.raises(InputError, match="holds another study"):
        ClipStudy(tmp_path / "two", TWO, database=f"sqlite:///{tmp_path / 'one' / 'study.db'}")
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "study.toml").write_text("")
    with pytest.raises(InputError, match="study of explanations"):
        ClipStudy(tmp_path / "three", TWO)


def test_answers_leave_and_come_back_as_a_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with begun(tmp_path / name) as study:
            study.store.add_comparisons(ASKED, seed=TWO.seed)
    with Store(tmp_path / "one" / "study.db") as one, Store(tmp_path / "two" / "study.db") as two:
        one.record([given(ASKED[0], Answer.RIGHT), given(ASKED[1], Answer.EQUAL)])
        assert export_answers(one, tmp_path / "answers.csv", "csv") == 2
        assert import_answers(two, tmp_path / "answers.csv") == 2
        assert [each.answer for each in two.preferences(gold=False)] == [Answer.RIGHT, Answer.EQUAL]


def test_the_app_finds_the_clips_and_their_words(tmp_path: Path) -> None:
    begun(tmp_path / "study").close()
    (tmp_path / "study" / "instructions.md").write_text("Prefer what is dark.")
    served = open_served(tmp_path / "study")
    assert isinstance(served, ServedClips)
    left, right = served.shown(ASKED[0])
    assert left.strip != right.strip
    assert left.seconds == pytest.approx(25 * 0.067, abs=0.01)
    assert served.words.page.title == "Comparing clips"
    assert "recognise pictures" not in served.words.welcome.consent
    assert served.text("instructions.md") == "Prefer what is dark."
    assert not served.is_over
    served.store.close()


def test_a_practice_that_would_not_be_seen_is_told(tmp_path: Path) -> None:
    begun(tmp_path / "study").close()
    (tmp_path / "study" / "practice.toml").write_text("practice = false")
    with pytest.raises(InputError, match="no practice"):
        open_served(tmp_path / "study")
