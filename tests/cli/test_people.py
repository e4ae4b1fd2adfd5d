"""The commands about people: links are printed once, kept in no file, and lead to the app that is served."""

import hashlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import HUMAN, run
from explainfb.core.types import Answer
from explainfb.labelling import server as serving
from explainfb.labelling.recruiting import join
from explainfb.labelling.server import ADDRESS, DATABASE, STUDY
from explainfb.labelling.wording_files import wording_of
from explainfb.store import Forgotten, Kind, Role, Store
from explainfb.study.settings_file import write_settings
from explainfb.study.study import Study
from store_backends import NOON, check_counters, comparison, comparisons, preference, response

Say = Callable[..., tuple[int, str, str]]


def token_of(link: str) -> str:
    return link.strip().partition("/enter#")[2]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.parametrize(("options", "role"), [([], Role.ANNOTATOR), (["--researcher"], Role.RESEARCHER)])
def test_adding_someone_prints_a_link_that_opens_the_app(say: Say, study: Path, options: list[str], role: Role) -> None:
    status, link, beside = say("annotators", "add", "Zoë the 2nd", *options)
    assert status == 0
    assert "The app was not served yet: if explainfb label is given --port" in beside
    assert link.startswith("http://127.0.0.1:8501/enter#")
    with Store(study / "study.db") as store:
        person = store.annotators.authenticate(token_of(link))
    assert person is not None
    assert (person.name, person.role) == ("Zoë the 2nd", role)


def test_a_link_has_the_address_of_the_app_and_stays_in_one_line(say: Say, study: Path) -> None:
    address = "https://study.example.org/" + "long/" * 30
    with Store(study / "study.db") as store:
        store.write_setting(ADDRESS, address)
    _, link, beside = say("annotators", "add", "Ann")
    assert link.startswith(f"{address}enter#")
    assert beside == ""
    assert link.count("\n") == 1
    assert " " not in link


def test_the_list_shows_everyone_as_they_are_called(say: Say, study: Path) -> None:
    assert say("annotators", "list")[0] == 0
    for name in ("Ann", "[bold]Ben[/bold]", "Cy"):
        say("annotators", "add", name)
    say("annotators", "add", "Rae", "--researcher")
    say("annotators", "revoke", "Cy")
    with Store(study / "study.db") as store:
        store.add_comparisons(comparisons(3), seed=0)
        store.record([preference(comparison(image), annotator="Ann") for image in range(2)])
        store.annotators.exclude("Ann", by="Rae", reason="asleep")
    status, listed, _ = say("annotators", "list")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in listed.splitlines() if "│" in line]
    assert status == 0
    assert "used in the fit" in listed
    assert rows == [
        ["Ann", "annotator", "open", "2", "no"],
        ["[bold]Ben[/bold]", "annotator", "open", "0", "yes"],
        ["Cy", "annotator", "closed", "0", "yes"],
        ["Rae", "researcher", "open", "0", "yes"],
    ]


def test_a_revoked_link_opens_nothing_and_another_may_be_given(say: Say, study: Path) -> None:
    old = token_of(say("annotators", "add", "Ann")[1])
    status, said, _ = say("annotators", "revoke", "Ann")
    assert status == 0
    assert "closed" in said
    assert say("annotators", "revoke", "Ann")[:2] == (0, "Ann had no open link.\n")
    new = token_of(say("annotators", "add", "Ann")[1])
    with Store(study / "study.db") as store:
        assert store.annotators.authenticate(old) is None
        assert store.annotators.authenticate(new) is not None
        assert len(store.annotators.all()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "Ann"], ["'Ann' has a link already", "revoke it first"]),
        (["add", "Ann", "--researcher"], ["'Ann' is in the study", "annotator"]),
        (["add"], ["needs a name"]),
        (["add", ""], ["A name is", "''"]),
        (["add", " Ann"], ["A name is 1 to 200 characters"]),
        (["add", "A" * 201], ["A name is 1 to 200 characters", "201"]),
        (["revoke"], ["needs a name"]),
        (["revoke", "Nobody"], ["No annotator is called 'Nobody'"]),
        (["list", "Ann"], ["takes no name"]),
    ],
)
def test_a_name_that_does_not_fit_is_status_2_and_changes_nothing(
    say: Say, study: Path, arguments: list[str], words: list[str]
) -> None:
    token = token_of(say("annotators", "add", "Ann")[1])
    status, said, complaint = say("annotators", *arguments)
    assert (status, said) == (2, "")
    assert complaint.startswith("explainfb: ")
    assert "Traceback" not in complaint
    for word in words:
        assert word in complaint
    with Store(study / "study.db") as store:
        (ann,) = store.annotators.all()
        assert store.annotators.authenticate(token) == ann


def test_a_word_that_is_no_action_is_status_2(say: Say) -> None:
    assert say("annotators", "remove", "Ann")[0] == 2


def test_a_token_is_never_stored_in_clear(say: Say, study: Path) -> None:
    token = token_of(say("annotators", "add", "Ann")[1])
    assert len(token) >= 22
    written = b"".join(path.read_bytes() for path in study.rglob("*") if path.is_file())
    assert b"Ann" in written
    assert hashlib.sha256(token.encode()).hexdigest().encode() in written
    assert token.encode() not in written


def test_people_are_added_to_the_database_that_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    Study.open("study", HUMAN, database="sqlite:///other.db")
    assert run("annotators", "--study", "study", "--db", "sqlite:///other.db", "add", "Ann") == 0
    with Store(Path("other.db")) as store:
        assert store.annotators.authenticate(token_of(capsys.readouterr().out)) is not None


@pytest.mark.parametrize("action", [["add", "Ann"], ["list"], ["revoke", "Ann"]])
def test_nobody_is_added_to_another_database_than_the_studys(
    action: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A link into the wrong database would open nothing."""
    Study.open("study", HUMAN, database="sqlite:///other.db")
    for database in ([], ["--db", "sqlite:///third.db"]):
        assert run("annotators", "--study", "study", *database, *action) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "the study was begun with" in said or "was begun with another database" in said
    assert not Path("study/study.db").exists()


class Serving:
    """Stands in for becoming the app's server."""

    environment: dict[str, str] | None = None

    def __call__(self, program: str, arguments: list[str], environment: dict[str, str]) -> None:
        self.environment = environment


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Serving:
    stand_in = Serving()
    monkeypatch.setattr(serving.os, "execve", stand_in)
    return stand_in


def test_label_serves_the_study_and_links_lead_to_it(say: Say, study: Path, server: Serving) -> None:
    port = free_port()
    status, said, complaint = say("label", "--port", port)
    assert (status, complaint) == (0, "")
    assert f"127.0.0.1 port {port}: this machine only" in " ".join(said.split())
    assert "so far" not in said
    assert server.environment is not None
    assert server.environment[STUDY] == str(study.resolve())
    assert say("annotators", "add", "Ann")[1].startswith(f"http://127.0.0.1:{port}/enter#")
    say("label", "--port", port, "--url", "https://study.example.org/")
    assert say("annotators", "add", "Ben")[1].startswith("https://study.example.org/enter#")


def test_label_says_that_links_given_before_lead_elsewhere(say: Say, server: Serving) -> None:
    say("annotators", "add", "Ann")
    port = free_port()
    new = f"http://127.0.0.1:{port}"
    _, said, _ = say("label", "--port", port)
    assert f"Links given so far may begin with http://127.0.0.1:8501: put {new} in its place." in said
    assert "so far" not in say("label", "--port", port)[1]
    assert "shown only once" in say("annotators", "add", "Ann")[2]


def test_label_says_when_others_can_reach_the_app(say: Say, server: Serving) -> None:
    _, said, _ = say("label", "--port", free_port(), "--host", "0.0.0.0")
    assert "all who can reach that address" in said
    assert "this machine only" not in said


def test_label_serves_the_database_that_is_given_and_no_other(
    server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    Study.open("study", HUMAN, database="sqlite:///other.db")
    given = ["label", "--study", "study", "--port", free_port(), "--db"]
    assert run(*given, "sqlite:///third.db") == 2
    assert "another database" in " ".join(capsys.readouterr().err.split())
    assert server.environment is None
    assert run(*given, "sqlite:///other.db") == 0
    assert server.environment is not None
    assert server.environment[DATABASE] == "sqlite:///other.db"


def test_label_does_not_serve_what_cannot_be_served(server: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    Path("never-run").mkdir()
    write_settings(HUMAN, Path("never-run/study.toml"))
    for folder, words in (("empty", "empty is not a study"), ("never-run", "was never run; start it with")):
        assert run("label", "--study", folder, "--port", free_port()) == 2
        complaint = " ".join(capsys.readouterr().err.split())
        assert complaint.startswith("explainfb: ")
        assert words in complaint
    assert server.environment is None


def test_label_does_not_take_a_port_from_another(
    study: Path, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert run("label", "--study", str(study), "--port", port) == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in " ".join(capsys.readouterr().err.split())
    assert server.environment is None
    with Store(study / "study.db") as store:
        assert store.read_setting(ADDRESS) is None


def test_someone_is_forgotten_to_the_last_byte(say: Say, study: Path) -> None:
    for name in ("Annabel Lee", "Ben"):
        say("annotators", "add", name)
    with Store(study / "study.db") as store:
        store.add_comparisons(comparisons(3), seed=0)
        for name in ("Annabel Lee", "Ben"):
            store.record([preference(comparison(image), annotator=name) for image in range(2)])
        person = store.annotators.all()[0]
        changed = response(store.comparisons()[0], Answer.RIGHT, "token of hers", supersedes=store.answers()[0].id)
        changed = replace(changed, comment="what she typed")
        store.answer(person, changed, now=NOON, overlap=2)
        store.annotators.note("Annabel Lee", Kind.CONSENTED)
    status, said, _ = say("annotators", "forget", "Annabel Lee")
    assert status == 0
    assert "2 answers" in said
    with Store(study / "study.db") as store:
        assert [each.name for each in store.annotators.all()] == ["Ben"]
        assert [each.annotator for each in store.answers()] == ["Ben", "Ben"]
        assert store.annotators.events() == []
        assert store.annotators.forgotten() == Forgotten(people=1, answers=2)
        check_counters(store)
    files = b"".join(path.read_bytes() for path in study.glob("study.db*"))
    for word in (b"Annabel Lee", b"what she typed", b"token of hers"):
        assert word not in files
    assert say("annotators", "forget", "Annabel Lee")[0] == 2


def test_a_researcher_is_not_forgotten(say: Say, study: Path) -> None:
    say("annotators", "add", "Rea", "--researcher")
    status, _, complaint = say("annotators", "forget", "Rea")
    assert status == 2
    assert "revoke the link instead" in complaint


def test_a_wording_is_written_once(say: Say, study: Path) -> None:
    assert say("wording", "--language", "ar")[0] == 0
    assert wording_of(study).direction == "rtl"
    status, _, complaint = say("wording", "--language", "de")
    assert status == 2
    assert "is there already" in complaint
    assert run("wording", "--language", "de") == 0
    assert wording_of(Path()).language == "de"
    assert run("wording", "--study", "nowhere") == 2


def test_an_open_link_has_the_recruiters_id_before_its_secret(say: Say, study: Path) -> None:
    status, link, beside = say(
        "annotators", "open", "--most", "2", "--quota", "30", "--id", "PROLIFIC_PID", "--completion", "C0DE"
    )
    assert status == 0
    assert link.startswith("http://127.0.0.1:8501/enter?PROLIFIC_PID=ID#")
    assert "{{%PROLIFIC_PID%}}" in beside
    with Store(study / "study.db") as store:
        token = join(store, link.strip().partition("#")[2], "PROLIFIC_PID=5f0a")
        assert store.annotators.authenticate(token) is not None
    assert say("annotators", "close")[1].startswith("The open link is closed")
    assert say("annotators", "close")[1].startswith("No link was open")
    assert say("annotators", "open", "--most", "0")[0] == 2
    assert "for annotators open" in say("annotators", "list", "--most", "3")[2]
