"""Each kind of question teaches the reward what its answers say, and nothing where a coin gave them."""

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import Answer, Asked, Comparison, ExplanationKey, FloatArray, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.questions import QUESTIONS, pointing, ranking
from explainfb.questions.question import Look
from explainfb.rewards.dataset import AnswerBatch, PreferenceDataset
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import best_member_test
from reward_example import EXPLAINED, LEFT_HALF, UTILITY
from store_backends import NOON

QUICK = RewardSettings(members=2, steps=80, batch_size=32)
NEW: tuple[Asked, ...] = ("yes-no", "point", "rank")
SHOWN = [
    Explanation(0, 0.9, segments.numpy(), weights.double().numpy(), 0.1, 0.9)
    for segments, weights in zip(EXPLAINED.segments, EXPLAINED.weights, strict=True)
]


@dataclass(frozen=True)
class LeftHalf:
    """Wants weight on the left half, or with `coin` does not look."""

    coin: bool = False
    name: str = "someone"

    def answer(self, comparison: Comparison, left: Explanation, right: Explanation) -> Answer:
        raise NotImplementedError

    def utility(self, explanation: Explanation, image: int) -> float:
        return float(UTILITY[image])

    def rightness(self, explanation: Explanation, image: int) -> FloatArray:
        return LEFT_HALF.double().numpy()

    def look(self, item: Comparison) -> Look:
        draw = numpy_generator(0, "look", item.asked, *item.shown)
        return Look(draw, error_rate=0.1, lapsed=self.coin)


def answers(asked: Asked, first: int, last: int, count: int, *, coin: bool = False) -> AnswerBatch:
    """Of `count` items of the explanations first … last − 1."""
    question, draw, found = QUESTIONS[asked], numpy_generator(first, "items", asked), []
    alone = draw.permutation(np.arange(first, last))[:count, None]  # nobody is asked twice about one
    groups = [draw.choice(np.arange(first, last), question.shows, replace=False) for _ in range(count)]
    for group in alone if question.shows == 1 else groups:
        images = [int(image) for image in group]
        keys = [ExplanationKey("round-0", image) for image in images]
        item = Comparison.about(keys, 1, asked=asked)
        reply = question.reply(LeftHalf(coin), item, [SHOWN[image] for image in images])
        if reply.answer is not Answer.CANT_TELL:
            found.append(Preference(item, reply.answer, "someone", 0, NOON, NOON, reply.said))
    return question.batch(found, {ExplanationKey("round-0", image): image for image in range(400)})


def p_value(asked: Asked, *, coin: bool) -> float:
    known = PreferenceDataset(
        answers(asked, 0, 300, 200, coin=coin), answers(asked, 300, 400, 30, coin=coin), EXPLAINED, ()
    )
    ensemble = fit_ensemble(EXPLAINED, known.fitted, settings=QUICK, seed=0)
    return best_member_test(ensemble, known, settings=QUICK, seed=0).p_value


@pytest.mark.parametrize("asked", NEW)
def test_a_reward_foretells_those_who_look_and_no_coin(asked: Asked) -> None:
    assert p_value(asked, coin=False) < 0.001
    assert p_value(asked, coin=True) > 0.01


def test_what_is_learned_by_pointing_is_where_the_pieces_should_lie() -> None:
    reward = fit_ensemble(EXPLAINED, answers("point", 0, 300, 200), settings=QUICK, seed=0)
    worth = reward.relevance_map(EXPLAINED.images[:100]).mean(0)
    assert worth[:, :6].mean() > worth[:, 6:].mean() + 0.5 * worth.std()


def test_saying_no_most_of_the_time_is_no_evidence() -> None:
    """Nine of ten answers are no, whatever is shown: always to say no predicts them, and knows nothing."""
    draw = torch.Generator().manual_seed(0)
    batch = answers("yes-no", 0, 300, 200)
    rare = torch.rand(len(batch), generator=draw) < 0.1
    batch = type(batch)(batch.index, rare, batch.annotator, batch.names)  # type: ignore[attr-defined, call-arg]
    ensemble = fit_ensemble(EXPLAINED, batch, settings=QUICK, seed=0)
    nothing = batch.take(torch.zeros(0, dtype=torch.int64))
    test = best_member_test(ensemble, PreferenceDataset(batch, nothing, EXPLAINED, ()), settings=QUICK, seed=0)
    assert test.asked < 0.2 * len(batch)
    assert test.p_value > 0.01


@pytest.mark.parametrize("count", [4, 5, 6])
def test_the_best_and_the_worst_are_as_probable_as_all_orders_that_have_them(count: int) -> None:
    """Summed over every order, each by Plackett and Luce's product."""
    rewards = torch.tensor([0.3, -1.2, 2.0, 0.0, 0.7, -0.1], dtype=torch.float64)[:count]
    wanted = torch.zeros(count, count, dtype=torch.float64)
    for order in permutations(range(count)):
        left, chance = list(order), 1.0
        for place in order:
            chance *= float(rewards[place].exp() / rewards[left].exp().sum())
            left.remove(place)
        wanted[order[0], order[-1]] += chance
    best, worst = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
    pairs = best != worst
    found = ranking.log_likelihood(rewards.expand(count * (count - 1), -1), best[pairs], worst[pairs]).exp()
    assert torch.allclose(found, wanted[pairs])
    assert found.sum() == pytest.approx(1)


class Preset(torch.nn.Module):
    """A reward whose maps are A = 1 everywhere, and B = 2 on the right half."""

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        maps = torch.ones(len(images), 2, *images.shape[2:])
        maps[:, 1] = torch.tensor([0.0, 2.0]).repeat_interleave(images.shape[3] // 2)
        return maps


def test_a_piece_is_worth_what_a_unit_of_its_sign_is() -> None:
    """v = sign(β) · A − B, and pointing at it has the probability sigmoid(τ − v)."""
    shown = ExplainedImages(
        torch.zeros(1, 1, 4, 4),
        torch.arange(4).view(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1)[None],
        torch.tensor([[0.5, 0.5, -0.5, -0.5]]),
        torch.zeros(1),
    )
    assert pointing.worth(Preset(), shown).tolist() == [[1.0, -1.0, -1.0, -3.0]]
    item = Comparison.about([ExplanationKey("round-0", 0)], 1, asked="point")
    said = Preference(item, Answer.NO, "Ann", 0, NOON, NOON, pointing.encode([1], [0, 1]))
    batch = QUESTIONS["point"].batch([said], {item.left: 0})
    loss = batch.loss(RewardSettings(noise=0.0))
    assert loss(Preset(), shown, batch).item() == pytest.approx(
        (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-1))) / 2
    )  # the threshold starts at 0, where half of what was offered was pointed at


@pytest.mark.parametrize("said", [None, "", "3 of 4", "-1 of -1", "x of 3", "best 1 worst 1", "best 2"])
def test_what_nobody_can_have_said_is_refused(said: str | None) -> None:
    with pytest.raises(InputError, match="found"):
        ranking.decode(said)
    if said:
        with pytest.raises(InputError, match="found"):
            pointing.decode(said)


def test_what_was_said_is_read_as_it_was_written() -> None:
    assert pointing.decode(pointing.encode([17, 3], [3, 5, 17])) == ((3, 17), (3, 5, 17))
    assert pointing.decode(pointing.encode([], [])) == ((), ())
    assert ranking.decode(ranking.encode(4, 0)) == (4, 0)
