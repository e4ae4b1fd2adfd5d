"""Which pieces of this explanation should not count?

Each piece that has a colour has a number on the picture, a button with that number, and the digit as its key. A press
on the picture presses the button (`page.js`), so that there is one way for everybody.
"""

import functools

import streamlit as st

from explainfb.core.types import Answer
from explainfb.explanations.plots import row_scale
from explainfb.labelling.pieces import places, pressable
from explainfb.labelling.practice import Example
from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording import PointWords
from explainfb.questions import pointing
from screens import answering, pair
from screens import words as all_words
from screens.asking.replying import CANT_TELL, Choice, OnReply, cant_tell, row
from screens.asking.upcoming import Ends, Side


def words() -> PointWords:
    return all_words().point


def ask(served: ServedStudy, shown: tuple[Stimulus, ...], on_reply: OnReply, *, name: str) -> None:
    offered = pointing.pieces(shown[0].explanation)
    chosen: frozenset[int] = st.session_state.get(_key(name), frozenset())
    where = places(shown[0].explanation, all_words())
    choices = [
        Choice(
            f"{number} · {where[piece]}" + (" ✕" if piece in chosen else ""),
            f"piece-{piece}",
            str(number),
            functools.partial(_turn, name, piece),
            pressed=piece in chosen,
        )
        for number, piece in enumerate(offered, 1)
    ]
    done = words().done.format(count=len(chosen)) if chosen else words().none
    # not Enter, which also presses the button that has the focus
    ending = Choice(done, "done", "G", functools.partial(_finish, on_reply, name, offered))
    row([ending, cant_tell(on_reply)], name=name)
    if choices:
        row(choices, name=name, key="pieces")
    _draw(shown[0], name, chosen)


def draw(served: ServedStudy, shown: tuple[Stimulus, ...], *, name: str) -> None:
    _draw(shown[0], name, frozenset())


def _draw(stimulus: Stimulus, name: str, chosen: frozenset[int]) -> None:
    pair.show_one(stimulus, row_scale(stimulus.explanation), name=name, drawn=_pressable(stimulus, chosen))


def _pressable(stimulus: Stimulus, chosen: frozenset[int]) -> str:
    offered = pointing.pieces(stimulus.explanation)
    return pressable(stimulus, offered, chosen, scale=row_scale(stimulus.explanation), words=all_words())


def sides(served: ServedStudy, shown: tuple[Stimulus, ...]) -> list[Side]:
    return [Side(each, "", row_scale(each.explanation), _pressable(each, frozenset())) for each in shown]


def ends(shown: tuple[Stimulus, ...], name: str) -> Ends:
    return {"done": ["G"], **CANT_TELL}


def why(example: Example) -> str:
    said = all_words().practice
    if example.left_is_good:
        return f"{words().would_leave} {said.good}"
    return f"{words().would_point} {said.bad}"


def told(answer: Answer, said: str | None) -> str:
    if answer not in (Answer.YES, Answer.NO):
        return answering.label(answer)
    if said is None:  # of several people, who pointed at different pieces
        return words().question if answer is Answer.NO else words().none
    chosen, _ = pointing.decode(said)
    return words().done.format(count=len(chosen)) if chosen else words().none


def _turn(name: str, piece: int) -> None:
    st.session_state[_key(name)] = st.session_state.get(_key(name), frozenset()) ^ {piece}


def _finish(on_reply: OnReply, name: str, offered: tuple[int, ...]) -> None:
    chosen = st.session_state.get(_key(name), frozenset())
    on_reply(Answer.NO if chosen else Answer.YES, pointing.encode(sorted(chosen), offered))


def _key(name: str) -> str:
    return f"pointed {name}"
