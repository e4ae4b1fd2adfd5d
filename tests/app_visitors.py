"""People who visit the annotators' app, each with a browser of their own."""

from collections.abc import Callable

from explainfb.testing.app_server import App, Visitor

NewVisitor = Callable[[], Visitor]


def ready_visitors(new_visitor: NewVisitor, app: App, names: list[str]) -> list[Visitor]:
    """People past consent and practice, at their first question."""
    visitors = [new_visitor() for _ in names]
    for visitor, name in zip(visitors, names, strict=True):
        visitor.visit(app.invite(name, practised=True), "progress")
    return visitors
