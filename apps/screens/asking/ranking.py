"""Which of these explanations is the best, and which the worst? The best is named first, and the worst ends it."""

import functools

import streamlit as st

from explainfb.core.types import Answer
from explainfb.explanations.plots import row_scale
from explainfb.labelling.practice import Example
from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording import RankWords
from explainfb.questions import ranking
from screens import answering, pair, style
from screens import words as all_words
from screens.asking.replying import CANT_TELL, Choice, OnReply, cant_tell, row
from screens.asking.upcoming import Ends, Side


def words() -> RankWords:
    return all_words().rank


def ask(served: ServedStudy, shown: tuple[Stimulus, ...], on_reply: OnReply, *, name: str) -> None:
    best: int | None = st.session_state.get(_key(name))
    style.heading(words().which_best if best is None else words().which_worst, level=2, name=f"{name}-{best}")
    choices = [
        Choice(
            words().best if place == best else words().number.format(number=place + 1),
            f"rank-{place}",
            str(place + 1),
            functools.partial(_choose, on_reply, name, best, place),
            pressed=place == best,
        )
        for place in range(len(shown))
    ]
    row([*choices, cant_tell(on_reply)], name=f"{name}-{best}")
    draw(served, shown, name=name)


def draw(served: ServedStudy, shown: tuple[Stimulus, ...], *, name: str) -> None:
    pair.show_several(shown, [side.title for side in sides(served, shown)], name=name)


def sides(served: ServedStudy, shown: tuple[Stimulus, ...]) -> list[Side]:
    numbered = enumerate(shown, 1)
    return [Side(each, words().number.format(number=number), row_scale(each.explanation)) for number, each in numbered]


def ends(shown: tuple[Stimulus, ...], name: str) -> Ends:
    best: int | None = st.session_state.get(_key(name))
    others = [place for place in range(len(shown)) if best not in (None, place)]
    return {**{f"rank-{place}": [str(place + 1)] for place in others}, **CANT_TELL}


def why(example: Example) -> str:
    said = words()
    best, worst = (
        ", ".join(str(number) for number, good in enumerate(example.good, 1) if good is wanted)
        for wanted in (True, False)
    )
    return said.would_rank.format(best=best, worst=worst)


def told(answer: Answer, said: str | None) -> str:
    if answer is not Answer.RANKED or said is None:
        return answering.label(answer) if answer is not Answer.RANKED else words().title
    best, worst = ranking.decode(said)
    return words().told.format(best=best + 1, worst=worst + 1)


def _choose(on_reply: OnReply, name: str, best: int | None, place: int) -> None:
    """The first press names the best; pressed again it is no longer; another one is the worst."""
    if best is None:
        st.session_state[_key(name)] = place
    elif best == place:
        st.session_state.pop(_key(name), None)
    else:
        on_reply(Answer.RANKED, ranking.encode(best, place))


def _key(name: str) -> str:
    return f"best {name}"
