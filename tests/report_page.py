"""A report's page, and its table in the terminal, as tests look at them."""

import io
from html.parser import HTMLParser

from rich.console import Console

from explainfb.report import ReportData, summary_table
from explainfb.results.records import (
    StudyResults,
)

EMPTY = ReportData(class_names=("a", "b"))


class Page(HTMLParser):
    """What the tests ask of a page: its tags with their attributes, its ids, what is left open, its text."""

    void = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def terminal(results: StudyResults) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=80).print(summary_table(results))
    return buffer.getvalue()
