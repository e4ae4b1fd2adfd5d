"""Names that people give, of annotators, classes, tasks and folders: what is no text is refused where it comes in."""

import unicodedata

from explainfb.core.errors import InputError

UNFIT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, which command a terminal; halves of characters, which no file in UTF-8 holds; and ends
of lines."""
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""These turn round the order in which what follows is read, so that one name looks like another."""


def is_fit(text: str) -> bool:
    """Whether `text` can stand in a line of a terminal, a page and a file, and looks like what it is."""
    return not any(unicodedata.category(each) in UNFIT or each in TURNING for each in text)


def is_fit_text(text: str) -> bool:
    """Whether each of its lines is fit; tabs may stand in them."""
    return all(map(is_fit, text.replace("\t", " ").split("\n")))


def check_name(text: str, what: str) -> None:
    """Raise `InputError` for a name that is not fit; `what` is what has it, such as `The class`."""
    if not is_fit(text):
        raise InputError(
            f"{what} is called {printable(text)[:80]!r}, in which characters are no text in UTF-8 or command the "
            "terminal; give it another name."
        )


def composed(text: str) -> str:
    """`text` in the one form that it has in Unicode (NFC), in which é is one character and not e with an accent.

    >>> from explainfb.core.names import composed
    >>> composed("Zoe\\u0308") == "Zo\\u00eb"
    True
    """
    return unicodedata.normalize("NFC", text)


def printable(text: str) -> str:
    """`text` with what is not fit written as Python would, such as \\x1b; line feeds and tabs stay."""
    return "".join(each if each in "\n\t" or is_fit(each) else ascii(each)[1:-1] for each in text)
