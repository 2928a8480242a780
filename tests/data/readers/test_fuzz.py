"""Whatever is wrong with the files of a data set: one clear line, or a skipped record; never another record changed."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mglmm.data.readers import READERS
from mglmm.data.readers.policy import Skipped, record_mistakes
from mglmm.schema import Sample, UserError
from tests.data.readers.made import MADE
from tests.data.readers.made_coco import NUMBERS

NUM_CHANGES = 15
NUM_CHANGES_SLOW = 600

HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 7, 300, 10**30, -(10**30), 1.5, float("nan"), float("inf"), 1e300),
    *("", " ", "x", "../../etc/passwd", "/etc/passwd", "a\0b", "<p> [SEG]", "\ud800", "5", "é" * 300),
    *([], {}, [[]], [[0, 0, 4]], [[-99, 0, 4, 0, 4, 4]], [1, 2], [-1], {"size": [8, 10], "counts": "1"}),
    *({"size": [8, 10], "counts": [80]}, {"size": [10, 8], "counts": [80]}, {"size": [8, 10], "counts": [90, -10]}),
)
"""What stands where something else should."""


def samples(name: str, root: Path, **options: Any) -> list[Sample]:
    made = MADE[name]
    return list(READERS[name](root, made.split, **made.options, **options))


def test_there_is_one_of_every_reader() -> None:
    assert MADE.keys() == READERS.keys()


@pytest.mark.parametrize("name", MADE)
def test_whole_sets(name: str, tmp_path: Path) -> None:
    MADE[name].write(tmp_path)
    found = samples(name, tmp_path)
    assert len(found) == len(NUMBERS)
    assert all(sample.turns or sample.segments for sample in found)


@pytest.mark.parametrize("name", MADE)
def test_damaged_sets(name: str, tmp_path: Path) -> None:
    damage(name, tmp_path, NUM_CHANGES)


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_damaged_sets_at_length(name: str, tmp_path: Path) -> None:
    damage(name, tmp_path, NUM_CHANGES_SLOW)


def damage(name: str, root: Path, count: int) -> None:
    """Change one thing of the set, `count` times, and read it."""
    MADE[name].write(root)
    whole = samples(name, root)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    rng = np.random.default_rng(sum(map(ord, name)))
    for number in range(count):
        path = paths[int(rng.integers(len(paths)))]
        before = path.read_bytes()
        place = change(path, rng)
        try:
            told = verify(name, root, whole, local=place is not None)
        except AssertionError as error:
            raise AssertionError(f"change {number} of {path.name} at {place}: {error}") from error
        except Exception as error:
            raise AssertionError(f"change {number} of {path.name} at {place}: {error!r}") from error
        assert told is None or ("\n" not in told and str(root) in told), told
        path.write_bytes(before)
    assert samples(name, root) == whole


def verify(name: str, root: Path, whole: list[Sample], local: bool) -> str | None:
    """Read the set as it is now; returns what it was refused with. `local`: at most two records may be others."""
    told, found = None, None
    try:
        found = samples(name, root)
    except UserError as error:
        told = str(error)
    skipped = Skipped()
    try:
        kept = samples(name, root, on_bad=skipped)
    except UserError as error:
        assert told is not None, f"refused only where records may be skipped: {error}"
        return told
    assert (skipped.count > 0) == (told is not None), f"{skipped.count} skipped, refused: {told}"
    assert found is None or found == kept
    for sample in kept:
        assert not record_mistakes(sample)
        assert Sample.model_validate_json(sample.model_dump_json()) == sample
    if local:
        now = {sample.id: sample for sample in kept}
        others = [sample.id for sample in whole if now.get(sample.id) != sample]
        assert len(others) <= 2, f"records {others} are others"
    return told


def change(path: Path, rng: np.random.Generator) -> tuple[Any, ...] | None:
    """Change something in a file; returns where, if it belongs to one record (two, where it names another image)."""
    if path.suffix in (".json", ".p") and rng.random() < 0.8:
        content = json.loads(path.read_bytes()) if path.suffix == ".json" else pickle.loads(path.read_bytes())
        place = change_value(content, rng)
        path.write_bytes(json.dumps(content).encode() if path.suffix == ".json" else pickle.dumps(content, protocol=2))
        alone = sum(p.suffix == ".json" for p in path.parent.iterdir()) > 1
        of_a_list = place[0] in ("images", "annotations") or isinstance(place[0], int)
        return place if len(place) > 1 and (alone or of_a_list) else None
    content = bytearray(path.read_bytes())
    kind = rng.integers(5)
    start = int(rng.integers(max(len(content), 1)))
    if kind == 0:
        del content[start:]
    elif kind == 1:
        content[start : start + 1] = rng.bytes(1)
    elif kind == 2:
        content[start:start] = content[start // 2 : start]
    elif kind == 3:
        del content[start : start + int(rng.integers(1, 20))]
    else:
        lines = bytes(content).splitlines(keepends=True)
        content = bytearray(b"".join(lines[int(k)] for k in rng.permutation(len(lines))))
    path.write_bytes(content)
    return None


def change_value(content: Any, rng: np.random.Generator) -> tuple[Any, ...]:
    """Replace, take out or double one value somewhere inside of a JSON value; returns its place."""
    places = [place for place in walk(content) if place]
    place = places[int(rng.integers(len(places)))]
    holder = content
    for key in place[:-1]:
        holder = holder[key]
    kind = rng.random()
    if kind < 0.15:
        del holder[place[-1]]
    elif kind < 0.25 and isinstance(holder, list):
        holder.insert(place[-1], holder[place[-1]])
    elif kind < 0.35 and isinstance(holder[place[-1]], int | float):
        holder[place[-1]] += int(rng.integers(-20, 20))
    else:
        holder[place[-1]] = HOSTILE[int(rng.integers(len(HOSTILE)))]
    return place


def walk(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside of a JSON value, itself first."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from walk(inner, (*place, key))
