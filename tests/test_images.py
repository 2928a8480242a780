"""Every picture a user can hand over comes out upright and in RGB, and every broken one is one clear line."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mglmm.images import MAX_PIXELS, load_image
from mglmm.schema import UserError

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def two_halves(size_wh: tuple[int, int] = (20, 30)) -> Image.Image:
    """Upper half red, lower half blue."""
    picture = Image.new("RGB", size_wh, BLUE)
    picture.paste(RED, (0, 0, size_wh[0], size_wh[1] // 2))
    return picture


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def close(pixel: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> bool:
    return max(abs(a - b) for a, b in zip(pixel, expected, strict=True)) <= tolerance


def assert_two_halves(picture: Image.Image, size_wh: tuple[int, int] = (20, 30)) -> None:
    assert picture.mode == "RGB"
    assert picture.size == size_wh
    assert close(picture.getpixel((size_wh[0] // 2, 2)), RED)
    assert close(picture.getpixel((size_wh[0] // 2, size_wh[1] - 3)), BLUE)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "GIF", "PPM", "ICO"])
def test_formats(tmp_path: Path, file_format: str) -> None:
    size_wh = (32, 32) if file_format == "ICO" else (20, 30)
    path = tmp_path / "picture"  # the name needs no ending
    path.write_bytes(encoded(two_halves(size_wh), file_format))
    assert_two_halves(load_image(path), size_wh)
    assert_two_halves(load_image(str(path)), size_wh)


def test_jpeg_webp_and_palette() -> None:
    assert_two_halves(load_image(encoded(two_halves(), "JPEG", quality=95, subsampling=0)))
    assert_two_halves(load_image(encoded(two_halves(), "WEBP", lossless=True)))
    assert_two_halves(load_image(encoded(two_halves().convert("P"), "PNG")))


def test_cmyk_jpeg() -> None:
    # (c, m, y, k) of red is (0, 255, 255, 0), of blue (255, 255, 0, 0)
    picture = Image.new("CMYK", (20, 30), (255, 255, 0, 0))
    picture.paste((0, 255, 255, 0), (0, 0, 20, 15))
    assert_two_halves(load_image(encoded(picture, "JPEG", quality=95)))
    assert_two_halves(load_image(encoded(picture, "TIFF")))


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_16_bit_gray_keeps_its_range(byte_order: str) -> None:
    gray = np.array([[0, 257, 32768, 65535]], dtype="u2")
    for picture in (
        load_image(encoded(Image.fromarray(gray), "PNG")),
        load_image(encoded(Image.fromarray(gray.astype(byte_order)), "TIFF")),
        load_image(gray),
    ):
        assert [p[0] for p in np.asarray(picture)[0].tolist()] == [0, 1, 128, 255]


def test_32_bit_and_float_gray_are_stretched() -> None:
    gray = np.array([[-10, 0, 90]])
    for values in (gray.astype(np.int32), gray.astype(np.float32) * 1e6):
        picture = load_image(Image.fromarray(values))
        assert np.asarray(picture)[0, :, 0].tolist() == [0, 26, 255]
    flat = load_image(Image.fromarray(np.full((2, 2), 7, dtype=np.int32)))
    assert np.asarray(flat).max() == 0  # one value has no range to stretch


def test_strips_join_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mode: as Pillow or NumPy converts the picture in one piece."""
    monkeypatch.setattr("mglmm.images._STRIP_PIXELS", 97)
    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 256, (41, 53, 4), dtype=np.uint8))
    keyed = rgba.convert("RGB").quantize(50)
    keyed.info["transparency"] = 3
    for picture in (*map(rgba.convert, ("RGB", "L", "1", "CMYK", "YCbCr", "P", "RGBA", "LA")), keyed):
        whole = picture
        if picture.has_transparency_data:
            whole = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), picture.convert("RGBA"))
        assert load_image(picture).tobytes() == whole.convert("RGB").tobytes()
    wide = rng.integers(0, 65_536, (41, 53))
    for values, black, white in (
        (wide.astype("<u2"), 0, 65_535),
        (wide.astype(">u2"), 0, 65_535),
        (wide.astype(np.int32), wide.min(), wide.max()),
        ((wide / 7).astype(np.float32), (wide / 7).astype(np.float32).min(), (wide / 7).astype(np.float32).max()),
    ):
        grey = np.round((values.astype(np.float64) - float(black)) * (255.0 / (float(white) - float(black))))
        assert np.array_equal(np.asarray(load_image(Image.fromarray(values)))[:, :, 0], grey)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_wide_gray_takes_little_memory(form: str) -> None:
    """Of NumPy's, beside the picture itself."""
    content = encoded(Image.fromarray(np.zeros((2048, 2048), np.uint16 if form == "PNG" else np.float32)), form)
    tracemalloc.start()
    load_image(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most / 2048**2 < 10  # bytes a pixel; in one piece it takes more than 16


def test_transparency_is_laid_on_white() -> None:
    rgba = two_halves().convert("RGBA")
    rgba.paste((0, 0, 0, 0), (0, 0, 5, 30))
    for picture in (rgba, load_and_keep(encoded(rgba, "PNG")), rgba.convert("LA"), rgba.convert("P")):
        assert load_image(picture).getpixel((2, 15)) == WHITE
    keyed = encoded(two_halves(), "PNG", transparency=RED)
    assert load_image(keyed).getpixel((10, 2)) == WHITE
    assert load_image(keyed).getpixel((10, 27)) == BLUE


def load_and_keep(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "stored"),  # what a camera stores for the upright picture, per EXIF orientation
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_exif_rotation(file_format: str, orientation: int, stored: Image.Transpose | None) -> None:
    upright = two_halves((24, 32))
    upright.paste((0, 255, 0), (0, 0, 8, 8))
    picture = upright if stored is None else upright.transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture, file_format, exif=exif, quality=95, lossless=True, subsampling=0)
    loaded = load_image(content)
    assert loaded.size == (24, 32)
    difference = np.abs(np.asarray(loaded, dtype=int) - np.asarray(upright, dtype=int))
    assert difference.mean() < 6  # JPEG blurs the edges; a wrong turn is above 50
    # a picture that the user opened is not upright either
    assert load_image(Image.open(io.BytesIO(content))).size == (24, 32)


def test_damaged_exif_does_not_matter() -> None:
    content = encoded(two_halves(), "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + b"\x07" * 40)
    assert_two_halves(load_image(content))


def test_first_frame_of_an_animation() -> None:
    frames = [two_halves(), Image.new("RGB", (20, 30), (0, 255, 0))]
    for file_format in ("GIF", "PNG", "WEBP", "TIFF"):
        content = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)
        assert_two_halves(load_image(content))


def test_arrays() -> None:
    pixels = np.asarray(two_halves())
    assert_two_halves(load_image(pixels))
    assert_two_halves(load_image(pixels / 255.0))
    assert_two_halves(load_image(np.asarray(two_halves().convert("RGBA"))))
    assert load_image(pixels[:, ::-1, :1]).size == (20, 30)  # one channel, not contiguous
    assert load_image(np.eye(4, dtype=bool)).getpixel((1, 1)) == WHITE


def test_the_result_is_independent() -> None:
    picture = two_halves()
    load_image(picture).paste(WHITE, (0, 0, 20, 30))
    assert picture.getpixel((10, 2)) == RED


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 2), np.uint8), "shape"),
        (np.zeros((4,), np.uint8), "shape"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((2, 2), np.int64), "type int64"),
        (np.full((2, 2), 255.0), "between 0 and 1"),
        (np.full((2, 2), np.nan), "between 0 and 1"),
    ],
)
def test_refused_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_image(array)


def refused(source: object) -> str:
    """The message, which must be one line."""
    with pytest.raises(UserError) as caught:
        load_image(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message
    return message


def test_refused_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("this is no picture")
    assert refused(tmp_path / "missing.png") == f"{tmp_path / 'missing.png'}: no such file"
    assert "is a folder" in refused(tmp_path)
    assert "is empty" in refused(tmp_path / "empty.png")
    assert "not a picture" in refused(tmp_path / "text.png")
    assert "not a picture" in refused(b"\x00" * 100)
    assert "no pixels" in refused(Image.new("RGB", (0, 7)))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_truncated_files_are_refused(file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), file_format)
    assert "damaged" in refused(content[: len(content) // 2])


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_decompression_bombs_are_refused(side: int) -> None:
    assert side * side > MAX_PIXELS
    header = encoded(Image.new("1", (1, 1)), "BMP")
    # width and height stand in bytes 18..25 of a bitmap; the pixels need not be there to be counted
    bomb = header[:18] + side.to_bytes(4, "little") * 2 + header[26:]
    message = refused(bomb)
    assert "89,478,485" in message
    assert "smaller" in message


CONTENTS = {
    f: encoded(two_halves(), f, **({"exif": Image.Exif()} if f != "GIF" else {}))
    for f in ("PNG", "JPEG", "GIF", "TIFF")
}


@settings(max_examples=300, deadline=None)
@given(
    file_format=st.sampled_from(sorted(CONTENTS)),
    damage=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.floats(0.02, 1),
)
def test_any_damage_gives_a_picture_or_one_line(file_format: str, damage: list[tuple[float, int]], cut: float) -> None:
    content = bytearray(CONTENTS[file_format])
    for place, value in damage:
        content[int(place * len(content))] = value
    try:
        assert load_image(bytes(content[: int(cut * len(content)) + 1])).mode == "RGB"
    except UserError as error:
        assert "\n" not in str(error)
