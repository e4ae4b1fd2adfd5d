"""Who is flagged, and who is not: at the bounds of what the settings say."""

import pytest

from crowd_answers import GOLD, LEFT, RIGHT, answered
from explainfb.core.errors import InputError
from explainfb.preferences.care import concerns, effect_of_leaving_out
from explainfb.preferences.settings import CareSettings
from explainfb.store import StoredAnswer

CARE = CareSettings(known_answers=4, right=0.5, answers=10, seconds=1.0, one_sided=0.8)


def sides(left: int, right: int, **more: float) -> list[StoredAnswer]:
    return [answered(number, LEFT if number < left else RIGHT, **more) for number in range(left + right)]  # type: ignore[arg-type]


def known(right: int, wrong: int) -> list[StoredAnswer]:
    return [answered(GOLD + number, RIGHT if number < right else LEFT) for number in range(right + wrong)]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (known(1, 3), "1 of 4 known answers right, under 50%"),
        (known(2, 2), None),
        (known(0, 3), None),  # too few to say
        (sides(5, 5, seconds=0.9), "0.9 s an answer, under 1 s"),
        (sides(5, 5, seconds=1.0), None),
        (sides(5, 4, seconds=0.1), None),
        (sides(9, 1), "left in 90% of choices between the sides, over 80%"),
        (sides(1, 9), "right in 90%"),
        (sides(8, 2), None),
    ],
)
def test_what_is_flagged_is_said_with_its_bound(answers: list[StoredAnswer], reason: str | None) -> None:
    found = concerns(answers, CARE)
    assert [each.annotator for each in found] == ([] if reason is None else ["Ann"])
    assert reason is None or reason in str(found[0])


def test_everything_that_is_to_be_said_of_each_is_said() -> None:
    careless = [*known(0, 4), *sides(12, 0, seconds=0.2)]
    careful = [answered(number, LEFT if number % 2 else RIGHT, "Zoë") for number in range(20)]
    (found,) = concerns([*careless, *careful], CARE)
    assert len(found.reasons) == 3
    assert concerns([], CARE) == []


@pytest.mark.parametrize("wrong", [{"act": "hang"}, {"right": 2}, {"one_sided": 0.3}, {"answers": 0}, {"seconds": -1}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        CareSettings(**wrong)  # type: ignore[arg-type]


def test_what_leaving_someone_out_would_change_is_told_for_open_and_closed_rounds() -> None:
    answers = [answered(number, LEFT, round=round) for round, count in ((1, 3), (2, 2)) for number in range(count)]
    answers += [answered(9, LEFT, "Zoë"), answered(8, None), answered(7, LEFT, surplus=True, round=2)]
    both = effect_of_leaving_out(answers, "Ann", {1: False, 2: True})
    assert "open rounds (2 in round 2) would be asked of others" in both
    assert "closed (3 in round 1) have learned from them already" in both
    assert "open rounds" not in effect_of_leaving_out(answers, "Zoë", {1: False, 2: True})
    assert "learned" not in effect_of_leaving_out(answers, "Zoë", {1: True})
    assert "nothing would change" in effect_of_leaving_out(answers, "Bo", {1: True})
