"""Large JSON files, element by element: the same as the whole at once, however the file is cut into pieces."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.data.readers import json_stream
from mglmm.data.readers.json_stream import Groups, Places, elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    whole=st.dictionaries(st.sampled_from(["images", "annotations", "info"]), VALUES) | st.lists(VALUES),
    chunk=st.integers(1, 40),
    layout=st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]),
)
def test_equal_to_reading_at_once(
    whole: Any, chunk: int, layout: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_text(json.dumps(whole, **layout), encoding="utf-8")
    keys: set[str] = set()
    found: dict[str, list[Any]] = {}
    with pytest.MonkeyPatch.context() as patch, Places(path) as places:
        patch.setattr(json_stream, "CHUNK_BYTES", chunk)
        patch.setattr(json_stream, "_LOOK_AHEAD", 30)
        for element in elements(path, keys):
            assert places.read(element.offset, element.length) == element.raw
            found.setdefault(element.key, []).append(json.loads(element.raw))
    members = whole if isinstance(whole, dict) else {"": whole}
    assert keys == (set(whole) if isinstance(whole, dict) else set())
    assert found == {k: v if isinstance(v, list) else [v] for k, v in members.items() if v != []}


def test_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": [1]}', encoding="utf-8-sig")
    assert [e.value for e in elements(tmp_path / "x.json")] == [1]


@given(owners=st.lists(st.integers(-3, 6)))
def test_groups(owners: list[int]) -> None:
    groups = Groups()
    for place, owner in enumerate(owners):
        groups.add(owner, json_stream.Element("", place, 1, None, b""))
    for owner in range(-4, 8):
        assert groups.places(owner) == [(i, 1) for i, found in enumerate(owners) if found == owner]
