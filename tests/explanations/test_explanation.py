"""An explanation tells what counted, in a line and in a picture."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from explainfb import InputError
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import grid

SHOWN = Explanation(
    4,
    probability=0.934,
    segments=grid(28, 28, 4),
    weights=np.array([0.1, -0.4, 0.02, 0.3]),
    intercept=0.2,
    fit=0.8,
    standard_errors=np.array([0.05, 0.05, 0.05, 0.05]),
    n_samples=1000,
)
IMAGE = np.random.default_rng(0).random((1, 28, 28))


def test_the_strongest_are_told_first_and_what_does_not_stand_out_never() -> None:
    assert SHOWN.top().tolist() == [1, 3, 0]
    assert SHOWN.top(2).tolist() == [1, 3]
    assert SHOWN.top(9).tolist() == [1, 3, 0]
    unknown = replace(SHOWN, weights=np.array([0.0, -0.4, 0.02, 0.3]), standard_errors=None)
    assert unknown.top().tolist() == [1, 3, 2]
    with pytest.raises(InputError, match="at least 1; found 0"):
        SHOWN.top(0)


def test_printed_it_is_one_line() -> None:
    line = str(SHOWN)
    assert (
        line
        == repr(SHOWN)
        == (
            "class 4, probability 0.93; superpixel 1: -0.400 ± 0.050, superpixel 3: +0.300 ± 0.050, "
            f"superpixel 0: +0.100 ± 0.050; reliability {SHOWN.reliability:.2f}, R² 0.80; 1,000 masks of 4 superpixels"
        )
    )
    silent = replace(SHOWN, standard_errors=np.ones(4), class_name="four")
    assert str(silent).startswith("class four, probability 0.93; no superpixel stands out; reliability 0.00")


def test_what_stands_out_is_never_left_out_without_a_word() -> None:
    one = replace(SHOWN, shown=1)
    assert "superpixel 1: -0.400 ± 0.050 and 2 more;" in str(one)
    assert "more" not in str(replace(SHOWN, shown=3))
    ax = SHOWN.plot(IMAGE, top=1, ax=Figure().subplots())
    assert "the strongest 1 of 3 that stand out" in ax.get_legend().get_title().get_text()
    assert "stand out" not in SHOWN.plot(IMAGE, top=3, ax=Figure().subplots()).get_legend().get_title().get_text()


def test_how_many_are_shown_is_kept_with_the_explanation() -> None:
    ax = replace(SHOWN, shown=1).plot(IMAGE, ax=Figure().subplots())
    assert [text.get_text() for text in ax.texts] == ["−0.40"]
    assert len(replace(SHOWN, shown=1).plot(IMAGE, top=2, ax=Figure().subplots()).texts) == 2


def test_photographs_keep_their_pixels_in_a_file(tmp_path: Path) -> None:
    large = replace(SHOWN, segments=grid(640, 480, 4))
    large.save(tmp_path / "why.png", np.random.default_rng(0).random((3, 640, 480)))
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.height >= 640


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("dog.jpg", "Found str as the image; give the tensor or array"),
        (255 * np.ones((1, 28, 28)), "Pixels must lie in .0, 1.; found 255 to 255"),
        (Image.new("L", (28, 28)), "Found Image as the image"),
    ],
)
def test_what_is_no_image_to_draw_on_is_told(given: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        SHOWN.plot(given, ax=Figure().subplots())  # type: ignore[arg-type]


@pytest.mark.parametrize("count", ["3", 2.5, True])
def test_a_number_of_pieces_is_a_whole_number(count: object) -> None:
    with pytest.raises(InputError, match="The number of the strongest superpixels is"):
        SHOWN.top(count)  # type: ignore[arg-type]


def test_a_plot_is_drawn_into_the_axes_that_are_given() -> None:
    ax = Figure().subplots()
    assert SHOWN.plot(IMAGE, ax=ax) is ax
    assert ax.get_title() == f"class 4, probability 0.93\nreliability {SHOWN.reliability:.2f}, R² 0.80"
    assert [text.get_text() for text in ax.texts] == ["−0.40", "+0.30", "+0.10"]
    assert ax.images[0].get_array().shape == (224, 224, 3)
    bar = next(other for other in ax.figure.axes if other is not ax)
    assert bar.get_ylim() == (-0.4, 0.4)  # units of probability


def test_of_the_top_pieces_alone_only_these_have_numbers() -> None:
    ax = SHOWN.plot(IMAGE, top=1, ax=Figure().subplots())
    assert [text.get_text() for text in ax.texts] == ["−0.40"]


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_a_file_has_image_and_explanation(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"why.{ending}"
    SHOWN.save(path, IMAGE)
    assert path.stat().st_size > 5000


def test_a_notebook_shows_the_picture_where_the_image_is_at_hand() -> None:
    assert SHOWN._repr_png_() is None
    shown = replace(SHOWN, image=IMAGE.astype(np.float32))._repr_png_()
    assert shown is not None
    with Image.open(io.BytesIO(shown)) as picture:
        assert picture.width > 700


def test_without_the_image_or_with_another_it_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the image that was explained"):
        SHOWN.save(tmp_path / "why.png")
    with pytest.raises(InputError, match=r"image \(1 or 3, 28, 28\); found \(3, 20, 28\)"):
        SHOWN.plot(np.zeros((3, 20, 28)))
    with pytest.raises(InputError, match="cannot be written"):
        SHOWN.save(tmp_path / "nowhere" / "why.png", IMAGE)
