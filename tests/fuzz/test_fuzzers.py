"""Standing fuzzers: whatever a file, a folder or a link holds, it is read or refused in a sentence.

EXPLAINFB_TEST_FUZZ=100 pytest tests/fuzz              # a hundred times as many, by hand
"""

import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import tomli_w
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from counting import count
from explainfb.classifiers.classifier import load_classifier, save_classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import train
from explainfb.classifiers.transfer import pretrained
from explainfb.core.errors import InputError
from explainfb.core.manifest import begin_manifest, note, read_manifest
from explainfb.export import FORMATS, Format, export_answers, import_answers
from explainfb.labelling.server import check_address
from explainfb.results.json_file import read_results
from explainfb.store import Store
from explainfb.study.settings import StudySettings, as_plain
from explainfb.study.settings_file import read_settings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.image_folder import read_folder
from kept_studies import KEPT, unpacked_without_manifest
from store_backends import comparisons, preference

TIMES = int(os.environ.get("EXPLAINFB_TEST_FUZZ", "1"))


def fuzz(examples: int) -> Callable[[Any], Any]:
    """The same cases each time, so that a test that fails does so for everybody; more of them by hand."""
    given_settings = settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        database=None,
    )

    def counted(test: Any) -> Any:
        inner = test.hypothesis.inner_test  # what Hypothesis calls for each example

        @wraps(inner)
        def once(*drawn: object, **named: object) -> None:
            inner(*drawn, **named)
            count("strange files, folders, settings, links and addresses: read, or refused in a sentence")

        test.hypothesis.inner_test = once
        return given_settings(test)

    return counted


Edits = list[tuple[int, bytes, int]]
T = TypeVar("T")
EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=6), st.integers(0, 40)), min_size=1, max_size=4)
"""Where in a file, what is put there, and how many bytes of what was there go."""


def edited(content: bytes, edits: Edits) -> bytes:
    for at, put, gone in edits:
        place = at % (len(content) + 1)
        content = content[:place] + put + content[place + gone :]
    return content


def attempt(read: Callable[[], T]) -> tuple[T | None, str]:
    """What was read and nothing, or nothing and the sentence of the refusal; any other exception is a finding."""
    try:
        return read(), ""
    except InputError as error:
        return None, str(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
).filter(lambda value: value is not None)
PLAIN = as_plain(StudySettings())
NAMES = [(name,) for name in PLAIN] + [
    (name, inner) for name, record in PLAIN.items() if isinstance(record, dict) for inner in record
]


@fuzz(40)
@given(name=st.sampled_from(NAMES), value=VALUES)
def test_any_value_of_a_setting(tmp_path: Path, name: tuple[str, ...], value: object) -> None:
    plain = tomllib.loads(tomli_w.dumps(PLAIN))
    (plain if len(name) == 1 else plain[name[0]])[name[-1]] = value
    try:
        text = tomli_w.dumps({"format": 2, **plain})
    except (TypeError, ValueError):  # TOML itself cannot say it
        return
    (tmp_path / "study.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
    found, refusal = attempt(lambda: read_settings(tmp_path / "study.toml"))
    assert isinstance(found, StudySettings) or "study.toml" in refusal


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study without a manifest, which would tell every change: the readers must."""
    return unpacked_without_manifest(KEPT[-1], tmp_path_factory.mktemp("kept") / "study")


@fuzz(40)
@given(name=st.sampled_from(["study.toml", "results.json"]), edits=EDITS)
def test_any_bytes_of_settings_and_results(kept: Path, tmp_path: Path, name: str, edits: Edits) -> None:
    path = tmp_path / name
    path.write_bytes(edited((kept / name).read_bytes(), edits))
    found, refusal = attempt(lambda: read_settings(path) if name == "study.toml" else read_results(path))
    assert found is not None or name in refusal


@fuzz(20)
@given(edits=EDITS)
def test_any_bytes_of_a_manifest(tmp_path: Path, edits: Edits) -> None:
    """One line that is damaged costs no other line."""
    place = tmp_path / "noted"
    if not place.is_dir():
        place.mkdir()
        begin_manifest(place)
        for number in range(1, 7):
            note(place / f"file-{number}", f"{number:064}")
    whole = (place / "manifest.txt").read_bytes()
    (tmp_path / "manifest.txt").write_bytes(edited(whole, edits))
    found, refusal = attempt(lambda: read_manifest(tmp_path))
    if found is None:
        assert "is of format" in refusal
        return
    untouched = set(whole.split(b"\n")) & set((tmp_path / "manifest.txt").read_bytes().split(b"\n")[:-1])
    assert sum(map(len, found.digests.values())) >= sum(b" " in line for line in untouched if b"explainfb" not in line)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("answered") / "study.db") as store:
        asked = comparisons(3)
        store.add_comparisons(asked, seed=7)
        store.record([preference(each) for each in asked])
        yield store


@fuzz(15)
@given(format=st.sampled_from(FORMATS), edits=EDITS)
def test_any_bytes_of_an_import(answered: Store, tmp_path: Path, format: Format, edits: Edits) -> None:
    whole, file = tmp_path / f"whole.{format}", tmp_path / f"answers.{format}"
    if not whole.is_file():
        export_answers(answered, whole, format)
    before = answered.answers()
    file.write_bytes(edited(whole.read_bytes(), edits))
    _, refusal = attempt(lambda: import_answers(answered, file))
    assert not refusal or (file.name in refusal and answered.answers() == before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    task = load_task("digits", train_images=20)
    save_classifier(train(task, settings=TrainingSettings(steps=0)), folder / "own.safetensors")
    return folder


@fuzz(25)
@given(edits=EDITS)
def test_any_bytes_of_a_classifier(weights: Path, tmp_path: Path, edits: Edits) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(edited((weights / "own.safetensors").read_bytes(), edits))
    classifier, refusal = attempt(lambda: load_classifier(path))
    if classifier is None:
        assert path.name in refusal
        return
    tensors = classifier.state_dict().values()
    assert all(bool(torch.isfinite(each).all()) for each in tensors if each.is_floating_point())


@fuzz(10)
@given(edits=EDITS, ending=st.sampled_from(["pth", "safetensors"]))
def test_any_bytes_of_published_weights(tmp_path: Path, edits: Edits, ending: str) -> None:
    path = tmp_path / f"weights.{ending}"
    torch.save({"classifier.1.weight": torch.ones(3, 2)}, path)
    path.write_bytes(edited(path.read_bytes(), edits))
    with pytest.raises(InputError, match=path.name):  # whole, it is of another network
        pretrained("squeezenet1_1", path)


PIECES = st.sampled_from(
    ["a", "b", "train", "Test", "val", "1.png", "2.png", "1.relevance.png", "x.PNG", ".hidden", "notes.txt", "ca\udcff"]
)
KINDS = st.sampled_from(["picture", "picture", "picture", "text", "empty", "folder", "lost link", "link", "loop"])


@fuzz(30)
@given(entries=st.lists(st.tuples(st.lists(PIECES, min_size=1, max_size=3), KINDS), min_size=1, max_size=14))
def test_any_folder_of_pictures(tmp_path: Path, entries: list[tuple[list[str], str]]) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    for number, (parts, kind) in enumerate(entries):
        put(root.joinpath(*parts), kind, number)
    found, refusal = attempt(lambda: read_folder(root, image_size=8))
    shutil.rmtree(root)
    if found is None:
        assert len(refusal) > 20
        return
    assert len(found.class_names) >= 2
    used = sum(len(part.labels) for part in (found.train, found.validation, found.test))
    assert 2 <= used <= len(entries) * 3  # by links some may be found more than once


def put(path: Path, kind: str, number: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() or path.is_symlink():
            return
        if kind == "picture":
            pixels = np.random.default_rng(number).integers(0, 256, (9, 9), dtype=np.uint8)
            Image.fromarray(pixels).save(path, format="PNG")
        elif kind in ("text", "empty"):
            path.write_text("text" if kind == "text" else "")
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to({"lost link": "nowhere", "link": "..", "loop": path.name}[kind])
    except OSError:  # a file is where a folder would have to be
        return


@fuzz(40)
@given(token=st.text(max_size=60))
def test_any_personal_link(tmp_path: Path, token: str) -> None:
    with Store(tmp_path / "study.db") as store:
        if not store.annotators.all():
            store.annotators.add("Ada")
        assert store.annotators.authenticate(token) is None
        assert store.annotators.recognize(token) is None


@fuzz(40)
@given(host=st.text(max_size=70), port=st.integers(-5, 70_000), url=st.none() | st.text(max_size=30))
def test_any_address(host: str, port: int, url: str | None) -> None:
    with pytest.raises(InputError):
        check_address(host + "…", port, url)
    with pytest.raises(InputError):
        check_address("h" * 64 + host, port, url)
