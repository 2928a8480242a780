"""Masks from maps of ids, runs and polygons, against pycocotools and numpy."""

from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from mglmm.data.readers.files import image_size, inside, read_ids
from mglmm.data.readers.policy import first_mistake
from mglmm.data.readers.shapes import FileRle, FoundRle, from_ids, from_polygons, from_rle, from_rles, from_runs
from mglmm.schema import Rle, UserError


@given(arrays.arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(-2, 3)))
def test_maps_of_ids(ids: np.ndarray) -> None:
    rles = from_ids(ids)
    assert set(rles) == set(np.unique(ids).tolist())
    for value, rle in rles.items():
        assert rle == Rle.from_mask(ids == value)


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_runs(mask: np.ndarray) -> None:
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    runs = [0, *runs] if flat[0] else runs
    size = (mask.shape[0], mask.shape[1])
    assert from_runs(runs, size) == Rle.from_mask(mask)
    assert from_rle(FileRle(size=size, counts=runs), size) == Rle.from_mask(mask)
    assert from_rle(FileRle(size=size, counts=Rle.from_mask(mask).counts), size) == Rle.from_mask(mask)


def test_polygons_that_touch_the_border() -> None:
    assert (
        from_polygons([[0, 0, 10, 0, 10, 8, 0, 8]], (8, 10)).to_coco()
        == Rle.from_mask(np.ones((8, 10), bool)).to_coco()
    )
    with pytest.raises(ValueError, match="outside"):
        from_polygons([[0, 0, 12, 0, 10, 8]], (8, 10))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "C:\\x", "..\\x", "\\x", "a\0b"])
def test_names_that_lead_out(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="leads out"):
        inside(tmp_path, name)


@given(st.lists(st.sampled_from(("a", ".", "..", "/", "//", "\\", ":", "C", "\0", " ", "é", "~", "\n")), max_size=8))
def test_names_that_do_not_lead_out(pieces: list[str]) -> None:
    name = "".join(pieces)
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    if name and "\0" not in name and not {"/", "//", ".."} & set(parts) and not PureWindowsPath(name).anchor:
        assert inside(Path("folder"), name) == Path("folder") / name
    else:
        with pytest.raises(UserError, match="leads out"):
            inside(Path("folder"), name)


def test_rles_of_every_kind_in_one_file() -> None:
    mask = np.zeros((3, 4), dtype=np.bool_)
    mask[1:, 2] = True
    rle = Rle.from_mask(mask)
    compressed = rle.to_coco()
    kinds = TypeAdapter(list[FoundRle])
    found = kinds.validate_python([compressed, {**compressed, "more": 1}, {"size": [3, 4], "counts": [7, 2, 3]}])
    assert [type(one) for one in found] == [Rle, FileRle, FileRle]
    assert from_rles(found, (3, 4)) == [rle] * 3
    for wrong in ({"size": [4, 3]}, {"counts": "5"}, {"size": [0, 4]}, {"counts": [12, 1]}):
        with pytest.raises(ValueError, match="RLE"):
            from_rles(kinds.validate_python([compressed, {**compressed, **wrong}]), (3, 4))
    with pytest.raises(ValidationError) as caught:
        kinds.validate_python([compressed, {**compressed, "counts": 5}])
    assert first_mistake(caught.value) == ", field 1.counts.str: Input should be a valid string"


def test_size_of_a_turned_picture(tmp_path) -> None:  # type: ignore[no-untyped-def]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "x.jpg", exif=exif)
    assert image_size(tmp_path / "x.jpg") == (20, 10)
    (tmp_path / "y.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="not a picture"):
        image_size(tmp_path / "y.jpg")


def test_ids_of_every_mode(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    grey = Image.fromarray(ids)
    grey.save(tmp_path / "l.png")
    palette = Image.fromarray(ids)
    palette.putpalette([(7 * i) % 256 for i in range(768)])
    palette.save(tmp_path / "p.png")
    Image.fromarray(ids.astype(np.uint16) * 200).save(tmp_path / "i.png")
    assert np.array_equal(read_ids(tmp_path / "l.png"), ids)
    assert np.array_equal(read_ids(tmp_path / "p.png"), ids)
    assert np.array_equal(read_ids(tmp_path / "i.png"), ids.astype(np.int32) * 200)
    content = (tmp_path / "l.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[:-30])
    with pytest.raises(UserError, match="damaged"):
        read_ids(tmp_path / "cut.png")
