"""What people can be asked of explanations: one file a question, with what is shown, what may be answered, the
likelihood of the answers, and how a simulated annotator answers.

A further question is a file here, its entry in `QUESTIONS`, its words in `explainfb.labelling.wording`, and a screen of
the app.
"""

from explainfb.core.types import Asked
from explainfb.questions.comparing import Comparing
from explainfb.questions.pointing import Pointing
from explainfb.questions.question import Question
from explainfb.questions.ranking import SHOWN, Ranking
from explainfb.questions.yes_no import YesNo

QUESTIONS: dict[Asked, Question] = {each.name: each for each in (Comparing(), YesNo(), Pointing(), Ranking())}


def question_of(asked: Asked, ranked: int = SHOWN) -> Question:
    """The question of this name; where explanations are ranked, `ranked` of them at once."""
    return Ranking(ranked) if asked == "rank" else QUESTIONS[asked]


__all__ = ["QUESTIONS", "Question", "question_of"]
