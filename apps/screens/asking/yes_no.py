"""Does this explanation rest on the right place?"""

from explainfb.core.types import Answer
from explainfb.explanations.plots import row_scale
from explainfb.labelling.practice import Example
from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording import YesNoWords
from screens import answering, pair
from screens import words as all_words
from screens.asking.replying import CANT_TELL, Choice, OnReply, cant_tell, row
from screens.asking.upcoming import Ends, Side


def words() -> YesNoWords:
    return all_words().yes_no


def ask(served: ServedStudy, shown: tuple[Stimulus, ...], on_reply: OnReply, *, name: str) -> None:
    choices = [
        Choice(words().yes, "yes", "1", lambda: on_reply(Answer.YES, None)),
        Choice(words().no, "no", "2", lambda: on_reply(Answer.NO, None)),
        cant_tell(on_reply),
    ]
    row(choices, name=name)
    draw(served, shown, name=name)


def draw(served: ServedStudy, shown: tuple[Stimulus, ...], *, name: str) -> None:
    pair.show_one(shown[0], row_scale(shown[0].explanation), name=name)


def sides(served: ServedStudy, shown: tuple[Stimulus, ...]) -> list[Side]:
    return [Side(each, "", row_scale(each.explanation)) for each in shown]


def ends(shown: tuple[Stimulus, ...], name: str) -> Ends:
    return {"yes": ["1"], "no": ["2"], **CANT_TELL}


def why(example: Example) -> str:
    said, good = all_words().practice, example.left_is_good
    answer = words().yes if good else words().no
    return f"{said.would_say.format(answer=answer)} {said.good if good else said.bad}"


def told(answer: Answer, said: str | None) -> str:
    return {Answer.YES: words().yes, Answer.NO: words().no}.get(answer) or answering.label(answer)
