"""A study as the annotators' app opens it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.wording_files import WORDING, write_wording
from explainfb.store import Store
from explainfb.study.settings_file import write_settings
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY
from store_backends import comparisons, people

SETTINGS = replace(TINY, annotator="human", overlap=3, lease_minutes=2.5)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied, not written to."""
    folder = tmp_path_factory.mktemp("begun") / "study"
    Study.open(folder, SETTINGS)
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    return shutil.copytree(begun, tmp_path / "study")


@contextmanager
def opened(folder: Path, database: str | None = None) -> Iterator[ServedStudy]:
    served = ServedStudy.open(folder, database=database)
    try:
        yield served
    finally:
        served.store.close()


@pytest.fixture
def served(folder: Path) -> Iterator[ServedStudy]:
    with opened(folder) as found:
        yield found


def test_people_are_asked_as_the_studys_settings_say(served: ServedStudy) -> None:
    assert served.settings == SETTINGS
    (ann,) = people(served.store, "Ann")
    session = served.session(ann)
    assert (session.store, session.annotator, session.overlap, session.lease_seconds) == (served.store, ann, 3, 150)


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=f"{folder} is not a study"):
            ServedStudy.open(folder)
    assert not list(tmp_path.iterdir())


def test_a_study_that_was_never_begun_is_refused_and_not_begun(tmp_path: Path) -> None:
    write_settings(SETTINGS, tmp_path / "study.toml")
    with pytest.raises(InputError, match=f"never run; start it with explainfb run --study {tmp_path}"):
        ServedStudy.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_another_studys_database_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Study.open(other, SETTINGS)
    for database in (other / "study.db", tmp_path / "new.db"):
        with pytest.raises(InputError, match="begun with another database; give the same --db"):
            ServedStudy.open(folder, database=f"sqlite:///{database}")


def test_the_database_that_the_study_was_begun_with_is_opened(tmp_path: Path) -> None:
    folder, url = tmp_path / "study", f"sqlite:///{tmp_path / 'elsewhere.db'}"
    Study.open(folder, SETTINGS, database=url)
    with opened(folder, url) as served, Store(tmp_path / "elsewhere.db") as store:
        people(store, "Ann")
        assert [person.name for person in served.store.annotators.all()] == ["Ann"]
    with pytest.raises(InputError, match="another database"):
        ServedStudy.open(folder)


def test_a_damaged_identity_is_told(folder: Path) -> None:
    (folder / "identity.json").write_text("{")
    with pytest.raises(InputError, match=r"identity\.json is damaged"):
        ServedStudy.open(folder)


def test_the_study_is_over_when_its_last_round_is_closed(served: ServedStudy) -> None:
    assert SETTINGS.rounds == 2
    assert not served.is_over
    served.store.add_comparisons(comparisons(2, round=1), seed=0)
    assert not served.is_over
    served.store.close_round(1)
    assert not served.is_over
    served.store.add_comparisons(comparisons(2, round=2), seed=0)
    assert not served.is_over
    served.store.close_round(2)
    assert served.is_over
    served.store.reopen_round(2)
    assert not served.is_over


def test_the_researchers_own_words_are_read_as_they_are_now(served: ServedStudy, folder: Path) -> None:
    assert served.text("consent.md") is None
    (folder / "consent.md").write_text("Zoë asks: d’accord?", encoding="utf-8")
    assert served.text("consent.md") == "Zoë asks: d’accord?"
    assert served.text("instructions.md") is None
    (folder / "consent.md").write_bytes("Zoë".encode("latin-1"))
    assert (served.text("consent.md") or "").startswith("Zo")
    (folder / "consent.md").unlink()
    assert served.text("consent.md") is None


def test_a_folder_in_the_place_of_a_text_is_no_text(served: ServedStudy, folder: Path) -> None:
    (folder / "consent.md").mkdir()
    assert served.text("consent.md") is None


def test_a_wording_that_lacks_a_line_is_told_before_the_app_starts(folder: Path) -> None:
    write_wording(folder / WORDING, "fr")
    with opened(folder) as served:
        assert served.words.language == "fr"
        assert "À droite" in served.practice.examples[0].because
    text = (folder / WORDING).read_text(encoding="utf-8")
    (folder / WORDING).write_text(text.replace("undo = ", "undoo = "), encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown buttons\.undoo; missing buttons\.undo"):
        ServedStudy.open(folder)


def test_a_practice_that_names_no_explanation_is_told_before_the_app_starts(folder: Path) -> None:
    row = 'left = "round-0/1"\nright = "round-0/2"\nanswer = "left"\nbecause = "The beak."\n'
    (folder / "practice.toml").write_text(f"[[example]]\n{row}")
    with pytest.raises(InputError, match=r"practice\.toml cannot be used: No explanations at"):
        ServedStudy.open(folder)
    (folder / "practice.toml").write_text("practice = false")
    with opened(folder) as served:
        assert served.practice.is_over(frozenset())
