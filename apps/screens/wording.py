"""What annotators read, for either kind of question."""

from dataclasses import dataclass

CONSENT = """
You are taking part in a research study on how image classifiers can explain themselves. You will be shown pictures and
asked about them, for as long as you like; twenty minutes are usual.

**What is kept:** your answers, when you gave them, comments if you write any, and the name under which you were
invited. **What is not:** anything else about you or your device. Taking part is voluntary; you may stop at any time by
closing the page, and ask whoever invited you to leave your answers out.
"""
_COLOURS = """
A classifier says what is in a picture. It also says which parts of the picture made it say so: **orange** parts spoke
for its answer, **purple** parts against it, pale parts hardly mattered.
"""
_GOOD = (
    "that a person who knows what the classifier says could accept. Whether the classifier is right does not matter."
)


@dataclass(frozen=True)
class Wording:
    """The texts of one kind of question."""

    title: str
    instructions: str
    keys: str
    question: str


COMPARE = Wording(
    title="Which reasons are better?",
    instructions=f"{_COLOURS} You see two such explanations beside each other, with the picture beneath. **Choose the "
    f"one with the better reasons**: those {_GOOD}",
    keys="On a keyboard: ← left, → right, ↑ equally good, ↓ can't tell (or 1 to 4), U to undo, P for a pause.",
    question="Which shows the better reasons for what the classifier says?",
)
RATE = Wording(
    title="How good are these reasons?",
    instructions=f"{_COLOURS} **Say how good these reasons are**, from 1 (bad) to 5 (good). Good reasons are those "
    f"{_GOOD}",
    keys="On a keyboard: 1 to 5, U to undo, P for a pause.",
    question="How good are these reasons for what the classifier says?",
)
WORDING = {"compare": COMPARE, "rate": RATE}
