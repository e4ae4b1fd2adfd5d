import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from explainfb.core.errors import InputError
from explainfb.tasks.datasets import load_task
from explainfb.tasks.image_folder import Part, read_folder
from explainfb.tasks.image_io import decode, file_bytes, is_grey, read_mask, square

RAMP = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24) // 2


def save(image: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def pixels(file: Path, colours: str) -> np.ndarray:
    return np.asarray(decode(file, colours))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "I", "F"])
def test_every_kind_of_file_becomes_the_picture_that_it_shows(tmp_path: Path, mode: str) -> None:
    """One grey ramp (black and white for mode 1), stored in every way; each must come back as it was."""
    shown = np.where(RAMP > 90, 255, 0).astype(np.uint8) if mode == "1" else RAMP
    if mode in ("I;16", "I", "F"):
        white, kind = {"I;16": (257, np.uint16), "I": (257, np.int32), "F": (1 / 255, np.float32)}[mode]
        image = Image.fromarray((shown.astype(np.float64) * white).astype(kind))
    else:
        image = Image.fromarray(shown).convert(mode)
    assert image.mode == mode
    file = save(image, tmp_path / ("p.tif" if mode in ("CMYK", "I", "F") else "p.png"))
    np.testing.assert_array_equal(pixels(file, "L"), shown)
    np.testing.assert_array_equal(pixels(file, "RGB"), np.repeat(shown[..., None], 3, -1))
    assert is_grey(file, file.read_bytes()) is (mode in ("1", "L", "LA", "I;16", "I", "F"))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_shows_the_background(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RAMP).convert("RGBA")
    alpha = np.full(RAMP.shape, 255, np.uint8)
    alpha[:4] = 0
    image.putalpha(Image.fromarray(alpha))
    if mode == "P":
        flat = Image.new("P", (24, 16), 1)
        flat.paste(0, (0, 0, 24, 4))
        flat.putpalette([1, 2, 3, 50, 50, 50])
        file = save(flat, tmp_path / "p.png", transparency=0)
    else:
        file = save(image.convert(mode), tmp_path / "p.png")
    assert (pixels(file, "RGB")[:4] == 255).all()
    assert (np.asarray(decode(file, "RGB", background="black"))[:4] == 0).all()
    expected = np.full((12, 24), 50) if mode == "P" else RAMP[4:]
    np.testing.assert_array_equal(pixels(file, "L")[4:], expected)


def sixteen_bits(levels: np.ndarray, colour_type: int, transparent: tuple[int, ...] = ()) -> bytes:
    """A PNG file of levels (H, W) or (H, W, C) with 16 bits, which Pillow reads and cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, colour_type, 0, 0, 0)
    clear = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + clear + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["grey", "grey and alpha", "colour"])
def test_16_bit_pictures_with_transparency_are_white_there(tmp_path: Path, kind: str) -> None:
    levels, file = np.full((8, 8), 30_000), tmp_path / "p.png"
    levels[:4] = 700
    if kind == "grey":
        content = sixteen_bits(levels, 0, (700,))
    elif kind == "grey and alpha":
        content = sixteen_bits(np.stack([levels, np.where(levels == 700, 0, 65535)], -1), 4)
    else:
        content = sixteen_bits(np.repeat(levels[..., None], 3, -1), 2, (700, 700, 700))
    file.write_bytes(content)
    assert (pixels(file, "L")[:4] == 255).all()
    assert (pixels(file, "L")[4:] == 117).all()
    assert is_grey(file, content) is (kind != "colour")


def test_a_half_transparent_pixel_is_half_background(tmp_path: Path) -> None:
    file = save(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), tmp_path / "p.png")
    assert pixels(file, "L")[0, 0] == pytest.approx(127, abs=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.fromarray(RAMP)
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(stored, tmp_path / "p.png", exif=exif)
    np.testing.assert_array_equal(pixels(file, "L"), RAMP)


@pytest.mark.parametrize(("width", "height"), [(60, 20), (20, 60), (20, 20), (42, 20)])
def test_the_middle_square_is_kept(width: int, height: int) -> None:
    """Blue ends, red middle: of the middle square nothing else remains."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 2] = 255
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    image[top : top + side, left : left + side] = (255, 0, 0)
    found = square(Image.fromarray(image), 20)
    assert found.shape == (20, 20, 3)
    assert (found == (255, 0, 0)).all()


@pytest.mark.parametrize("side", [10, 20, 60])
@pytest.mark.parametrize("size", [(60, 20), (20, 100), (40, 20)])
def test_squares_are_those_of_torchvision(size: tuple[int, int], side: int) -> None:
    """Levels around the middle, since the two passes of a resize may come in either order and clip at the ends."""
    image = Image.fromarray(np.random.default_rng(0).integers(80, 176, (size[1], size[0], 3), dtype=np.uint8))
    theirs = Compose([Resize(side, InterpolationMode.BICUBIC), CenterCrop(side)])(image)
    difference = np.abs(square(image, side).astype(int) - np.asarray(theirs).astype(int))
    assert difference.max() <= 1


@pytest.mark.parametrize(("level", "found"), [(70_000, r"\[70000, 70000\]"), (-1, r"\[-1, -1\]")])
def test_grey_levels_out_of_range_are_refused(tmp_path: Path, level: int, found: str) -> None:
    file = save(Image.fromarray(np.full((8, 8), level, np.int32)), tmp_path / "p.tif")
    with pytest.raises(InputError, match=rf"p\.tif holds grey levels in {found}, expected \[0, 65535\]"):
        decode(file, "L")


@pytest.mark.parametrize("level", [1.5, float("nan")])
def test_float_levels_out_of_range_are_refused(tmp_path: Path, level: float) -> None:
    file = save(Image.fromarray(np.full((8, 8), level, np.float32)), tmp_path / "p.tif")
    with pytest.raises(InputError, match=r"expected \[0, 1\]"):
        decode(file, "L")


@given(kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_garbled_file_is_an_input_error_or_a_picture(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, kind)
    content = np.frombuffer(buffer.getvalue(), np.uint8)[: rng.integers(0, len(buffer.getvalue()) + 1)].copy()
    hits = rng.integers(0, max(1, len(content)), rng.integers(0, 4)) if len(content) else []
    content[hits] = rng.integers(0, 256, len(hits))
    file = tmp_path_factory.mktemp("garbled") / f"picture.{kind.lower()}"
    file.write_bytes(content.tobytes())
    for read in (lambda: is_grey(file, file.read_bytes()), lambda: decode(file, "RGB")):
        try:
            read()
        except InputError as error:
            assert str(file) in str(error)  # noqa: PT017


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png cannot be read"):
        file_bytes(tmp_path / "gone.png")


def scene(folder: Path, count: int = 40, *, kinds: tuple[str, ...] = ("relevance", "shortcut")) -> Path:
    """Pictures of a white box on black, of many shapes, each with a mask of the box, and one of the first row."""
    rng = np.random.default_rng(0)
    for index in range(count):
        width, height = (int(side) for side in rng.integers(24, 60, 2))
        box = np.zeros((height, width), np.uint8)
        row, column = height // 2 - int(rng.integers(4, 9)), width // 2 - int(rng.integers(4, 9))
        box[row : row + 10, column : column + 10] = 255
        file = save(Image.fromarray(np.maximum(box, index)), folder / "ab"[index % 2] / f"p.{index}.jpg", quality=95)
        masks = {"relevance": box, "shortcut": 255 - box}
        for kind in kinds:
            save(Image.fromarray(masks[kind]), file.with_name(f"p.{index}.{kind}.png"))
    return folder


def test_masks_stay_on_what_they_mark(tmp_path: Path) -> None:
    folder = read_folder(scene(tmp_path), image_size=32)
    for part in (folder.train, folder.validation, folder.test):
        assert part.relevance is not None
        assert part.shortcut is not None
        assert part.relevance.dtype == torch.bool
        bright = part.images[:, 0] > 0.5
        assert float((bright == part.relevance).float().mean()) > 0.97
        assert float((bright & part.relevance).sum() / (bright | part.relevance).sum()) > 0.85
        assert torch.equal(part.shortcut, ~part.relevance)
    task = load_task(f"folder:{tmp_path}", image_size=32)
    for split, part in ((task.train, folder.train), (task.validation, folder.validation), (task.clean, folder.test)):
        assert split.relevance is not None
        assert split.shortcut is not None
        assert torch.equal(split.relevance, part.relevance)
        assert torch.equal(split.shortcut, part.shortcut)


@pytest.mark.parametrize("kind", ["relevance", "shortcut"])
def test_one_kind_of_mask_is_enough(tmp_path: Path, kind: str) -> None:
    part: Part = read_folder(scene(tmp_path, kinds=(kind,)), image_size=16).train
    assert (part.relevance is not None) is (kind == "relevance")
    assert (part.shortcut is not None) is (kind == "shortcut")


def test_missing_masks_are_counted(tmp_path: Path) -> None:
    scene(tmp_path)
    for index in (3, 8, 9):
        (tmp_path / "ab"[index % 2] / f"p.{index}.relevance.png").unlink()
    with pytest.raises(InputError, match=r"3 of 40 pictures lack a relevance mask, such as .*p\.8\.jpg; draw p\.8"):
        read_folder(tmp_path)


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = save(Image.new("L", (20, 10), 255), tmp_path / "m.png")
    assert read_mask(file, (40, 20), 16).all()
    with pytest.raises(InputError, match=r"m\.png is a mask of 20×10 pixels, of a picture of 10×20"):
        read_mask(file, (10, 20), 16)


def test_a_mask_drawn_on_nothing_is_white_where_it_is_drawn(tmp_path: Path) -> None:
    drawing = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    drawing.paste((255, 255, 255, 255), (0, 0, 16, 4))
    mask = read_mask(save(drawing, tmp_path / "m.png"), (16, 16), 16)
    assert mask[:4].all()
    assert not mask[4:].any()


def test_a_mask_of_zeros_and_ones_is_refused(tmp_path: Path) -> None:
    file = save(Image.fromarray(np.eye(16, dtype=np.uint8)), tmp_path / "m.png")
    with pytest.raises(InputError, match="no white pixel but dark grey ones"):
        read_mask(file, (16, 16), 16)
    save(Image.fromarray(np.eye(16, dtype=np.uint8) * 255), file)
    assert torch.equal(read_mask(file, (16, 16), 16), torch.eye(16, dtype=torch.bool))
    assert not read_mask(save(Image.new("L", (16, 16)), file), (16, 16), 16).any()


@pytest.mark.parametrize(("modes", "channels"), [("LL", 1), ("LP", 3), (["L", "RGB"], 3), (["1", "LA"], 1)])
def test_one_channel_where_every_file_is_grey(tmp_path: Path, modes: list[str], channels: int) -> None:
    for index in range(40):
        noise = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
        save(Image.fromarray(noise).convert(modes[index % 2]), tmp_path / "ab"[index % 2] / f"{index}.png")
    images = read_folder(tmp_path, image_size=8).train.images
    assert images.shape[1:] == (channels, 8, 8)
    assert images.dtype == torch.float32
    assert 0 <= float(images.min()) < float(images.max()) <= 1


def test_a_large_folder_of_mixed_pictures_is_one_tensor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(40):
        size = tuple(int(side) for side in rng.integers(1, 90, 2))
        mode = ("L", "RGB", "RGBA", "P", "1")[index % 5]
        noise = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)).convert(mode)
        noise.save(save(noise, tmp_path / "ab"[index % 2] / f"{index}.png"))
    folder = read_folder(tmp_path, image_size=24)
    assert folder.test.images.shape[1:] == (3, 24, 24)
    assert folder.train.images.is_contiguous()
