"""Matlab's files: what SciPy writes and reads is read the same; damaged files are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mglmm.data.readers.matlab import read_matlab
from mglmm.schema import UserError
from tests.data.readers.realdata import files

scipy = pytest.importorskip("scipy.io")

NUMBERS = arrays.arrays(
    st.sampled_from(["u1", "i2", "i4", "u8", "f4", "f8", "?"]),
    arrays.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=5),
    elements={"allow_nan": False},
)
TEXTS = st.text("abc é", min_size=1, max_size=5)
VALUES = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=8,
)


def as_matlab(value: Any) -> Any:
    """What SciPy writes as a struct or a cell array where a dict or a list is meant."""
    if isinstance(value, dict):
        return {key: as_matlab(inner) for key, inner in value.items()}
    if isinstance(value, list):
        cells = np.empty((len(value), 1), dtype=object)
        cells[:, 0] = [as_matlab(inner) for inner in value]
        return cells
    return value


def same(found: Any, meant: Any) -> bool:
    if isinstance(meant, dict):
        return len(found) == 1 and found[0].keys() == meant.keys() and all(same(found[0][k], meant[k]) for k in meant)
    if isinstance(meant, list):
        return len(found) == len(meant) and all(same(a, b) for a, b in zip(found, meant, strict=True))
    return bool(found == meant) if isinstance(meant, str) else np.array_equal(found, meant)


@settings(max_examples=60)
@given(value=VALUES, packed=st.booleans())
def test_what_scipy_writes(value: Any, packed: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("matlab") / "x.mat"
    scipy.savemat(path, {"x": as_matlab(value), "other": 5}, do_compression=packed)
    found = read_matlab(path)
    assert list(found) == ["x", "other"]
    assert same(found["x"], value)
    assert found["other"].tolist() == [[5]]


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    scipy.savemat(path, {"x": {"a": "text", "b": np.eye(3)}, "y": as_matlab([1, "z"])}, do_compression=packed)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(400):
        content = bytearray(whole)
        if number % 4 == 0:
            del content[int(rng.integers(len(whole))) :]
        else:
            content[int(rng.integers(120, len(whole)))] = int(rng.integers(256))
        path.write_bytes(content)
        try:
            read_matlab(path)
        except UserError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
    for content in (b"", b"no matlab", whole[:-1], whole[:200], b"\x89HDF" + bytes(200)):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged"):
            read_matlab(path)


@pytest.mark.parametrize("path", files("pascal_part/**/*.mat"))
def test_real_files(path: Path) -> None:
    (found,) = read_matlab(path)["anno"]
    wanted = scipy.loadmat(path)["anno"][0, 0]
    assert found["imname"] == wanted["imname"][0]
    things = wanted["objects"][0]
    assert len(found["objects"]) == len(things)
    for thing, truth in zip(found["objects"], things, strict=True):
        assert thing["class"] == truth["class"][0]
        assert np.array_equal(thing["mask"], truth["mask"])
        parts = truth["parts"].ravel()
        assert [p["part_name"] for p in thing["parts"]] == [p["part_name"][0] for p in parts]
        assert all(np.array_equal(p["mask"], q["mask"]) for p, q in zip(thing["parts"], parts, strict=True))
