"""The screens of the kinds of question, by the name that a study has for them; of ratings, see `screens.question`."""

from typing import Any, Protocol

from explainfb.core.types import Answer
from explainfb.labelling.practice import Example
from explainfb.labelling.wording import QuestionWords
from screens.asking import clips, comparing, pointing, ranking, yes_no
from screens.asking.replying import OnReply
from screens.asking.upcoming import Ends, Side


class Screen(Protocol):
    """What a module here has. `served` and what is `shown` are of the kind of study that asks it: `ServedStudy` and
    `Stimulus`, of clips `ServedClips` and `ShownClip`."""

    def words(self) -> QuestionWords:
        """Its own words."""

    def ask(self, served: Any, shown: tuple[Any, ...], on_reply: OnReply, *, name: str) -> None:
        """What is asked about, and the ways to answer; `name` tells one question from the next."""

    def draw(self, served: Any, shown: tuple[Any, ...], *, name: str) -> None:
        """What is asked about alone."""

    def sides(self, served: Any, shown: tuple[Any, ...]) -> list[Side]:
        """What `ask` shows, for it to be sent ahead."""

    def ends(self, shown: tuple[Any, ...], name: str) -> Ends:
        """The buttons that end the question called `name` as it stands."""

    def why(self, example: Example) -> str:
        """What we would say of a practice example, and our reason."""

    def told(self, answer: Answer, said: str | None) -> str:
        """An answer in words."""


SCREENS: dict[str, Screen] = {
    "compare": comparing,
    "yes-no": yes_no,
    "point": pointing,
    "rank": ranking,
    "clips": clips,
}
"""By `Asked`."""
