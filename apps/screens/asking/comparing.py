"""Which of two explanations is better?"""

from explainfb.core.types import Answer
from explainfb.labelling.practice import Example
from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.stimuli import Stimulus, colour_scale, scales
from explainfb.labelling.wording import QuestionWords
from screens import answering, pair
from screens import words as all_words
from screens.asking.replying import OnReply
from screens.asking.upcoming import Ends, Side


def words() -> QuestionWords:
    return all_words().compare


def ask(served: ServedStudy, shown: tuple[Stimulus, ...], on_reply: OnReply, *, name: str) -> None:
    answering.choose(lambda answer: on_reply(answer, None), name=name)
    draw(served, shown, name=name)


def draw(served: ServedStudy, shown: tuple[Stimulus, ...], *, name: str) -> None:
    """Both sides, coloured as the study wants it."""
    left, right = shown
    shared = colour_scale(served.settings) == "probability"
    pair.show_pair(left, right, scales(left, right, served.settings), shared=shared, name=name)


def sides(served: ServedStudy, shown: tuple[Stimulus, ...]) -> list[Side]:
    said = all_words().stimuli
    left, right = shown
    return [
        Side(*each) for each in zip(shown, (said.left, said.right), scales(left, right, served.settings), strict=True)
    ]


def ends(shown: tuple[Stimulus, ...], name: str) -> Ends:
    return {str(answer): (key, str(number)) for number, (answer, key) in enumerate(answering.KEYS.items(), 1)}


def why(example: Example) -> str:
    said = all_words().practice
    return f"{said.would_say.format(answer=answering.label(example.answer))} {example.because}"


def told(answer: Answer, said: str | None) -> str:
    return answering.label(answer)
