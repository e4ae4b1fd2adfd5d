"""The first link to the researchers' page: told once, by one start, and not again when it was revoked."""

from pathlib import Path

import pytest
from rich.console import Console

from explainfb.cli.people import say_researchers_link
from explainfb.store import Role, Store


def test_the_first_researchers_link_is_given_once_and_not_again_when_it_was_revoked(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=200)
    with Store(study / "study.db") as store:
        say_researchers_link(console, store)
        token = capsys.readouterr().out.strip().partition("/enter#")[2]
        assert store.annotators.authenticate(token) is not None
        say_researchers_link(console, store)
        assert "with the link of a researcher" in capsys.readouterr().out
        store.annotators.revoke("researcher")
        say_researchers_link(console, store)
        said = capsys.readouterr().out
        assert "nobody has a link to it" in said
        assert "/enter#" not in said
        assert [person.has_link for person in store.annotators.all()] == [False]


def test_two_starts_at_once_give_one_researchers_link(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(study / "study.db") as store:
        add = store.annotators.add

        def second(name: str, *, role: Role) -> str:
            add(name, role=role)  # by the other start, just before
            return add(name, role=role)

        monkeypatch.setattr(store.annotators, "add", second)
        say_researchers_link(Console(width=200), store)
        assert "with the link of a researcher" in capsys.readouterr().out
