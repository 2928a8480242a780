"""The reader of photo sets, on a small set drawn here: instances with parts, and classes without instances."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mglmm.data.photos import MAX_INSTANCES, PhotoFolder, PhotoSet, measured_colors, photos_root, read, turns
from mglmm.schema import Sample, UserError

SIZE = 48


def box(x0: int, y0: int, x1: int, y1: int) -> list[float]:
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def put(root: Path, name: str, ids: np.ndarray, classes: list[dict], instances: list[dict] | None) -> None:
    """A set with the single photo "one": gray, red where the class is 1, black where it is 3."""
    for folder in ("images", "masks"):
        (root / name / folder).mkdir(parents=True)
    pixels = np.full((*ids.shape, 3), 140, np.uint8)
    pixels[ids == 1] = (200, 30, 30)
    pixels[ids == 3] = (20, 20, 20)
    Image.fromarray(pixels).save(root / name / "images" / "one.jpg", quality=95)
    Image.fromarray(ids).save(root / name / "masks" / "one.png")
    (root / name / "classes.json").write_text(json.dumps({"classes": classes}))
    (root / name / "train.txt").write_text("one\nnothing\n" if instances is not None else "one\n")
    if instances is not None:
        photos = {"one": {"instances": instances}, "nothing": {"instances": []}}
        (root / name / "instances.json").write_text(json.dumps(photos))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ids = np.zeros((SIZE, SIZE), np.uint8)
    ids[4:40, 4:40] = 1
    instances = [{"class_id": 1, "polygons": [box(4, 4, 40, 40)]}]
    for k in range(MAX_INSTANCES + 1):
        x = 5 + 7 * k
        ids[10:18, x : x + 5] = 3
        instances.append({"class_id": 3, "polygons": [box(x, 10, x + 5, 18)]})
    ids[36:48] = 8  # in front of the facade
    instances += [
        {"class_id": 8, "polygons": [box(0, 36, 20, 48)]},
        {"class_id": 8, "polygons": [box(20, 36, 48, 48)]},
        {"class_id": 9, "polygons": [box(0, 0, 30, 30)]},
        {"class_id": 3, "polygons": [box(45, 1, 47, 3)]},
    ]
    facade = [
        {"id": 0, "name": "unlabelled", "role": "ignore"},
        {"id": 1, "name": "facade", "role": "thing"},
        {"id": 3, "name": "window", "role": "part", "whole": "facade"},
        {"id": 8, "name": "vegetation", "role": "stuff"},
        {"id": 9, "name": "traffic infrastructure", "role": "stuff"},
    ]
    put(tmp_path, "facade", ids, facade, instances)
    ids = np.zeros((SIZE, SIZE), np.uint8)
    ids[2:10, 10:30] = 1
    ids[10:30, 10:30] = 2
    ids[30:40, 10:20], ids[30:40, 20:30] = 3, 4
    ids[0, 0] = 5
    ccp = [{"id": 0, "name": "background", "role": "background"}] + [
        {"id": k, "name": name, "role": "part", "whole": "person"}
        for k, name in enumerate(("hair", "bra", "jeans", "shorts", "hat"), start=1)
    ]
    put(tmp_path, "ccp", ids, ccp, None)
    return tmp_path


@pytest.mark.parametrize("file", ["classes.json", "instances.json"])
def test_broken_files_are_named(root: Path, file: str) -> None:
    (root / "facade" / file).write_text('{"classes": [')
    with pytest.raises(UserError, match=rf"facade/{file}: not valid JSON"):
        next(read(root, "facade", "train"))


def by_label(sample: Sample) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for segment in sample.segments:
        found.setdefault(segment.label, []).append(segment.id)
    return found


def test_instances_show_what_can_be_seen_of_them(root: Path) -> None:
    sample = PhotoFolder(root, "facade", "train").sample("one")
    facade, plants = sample.segment(0), by_label(sample)["plants"]
    assert (
        facade.label == "building facade" and facade.area == 32 * 36
    )  # with its windows, without the plants before it
    assert [sample.segment(i).area for i in plants] == [12 * 48]  # stuff is one segment
    assert "traffic infrastructure" not in by_label(sample)
    windows = [s for s in sample.segments if s.label == "window" and s.id not in sample.meta["groups"]]
    assert len(windows) == MAX_INSTANCES + 1 and {s.parent for s in windows} == {0}  # the tiny one is left out
    (group,) = sample.meta["groups"]
    np.testing.assert_array_equal(sample.segment(group).mask, np.any([s.mask for s in windows], axis=0))


def test_without_instances_there_is_one_segment_a_label_and_the_whole_is_all_parts(root: Path) -> None:
    sample = PhotoFolder(root, "ccp", "train").sample("one")
    assert by_label(sample) == {"person": [0], "hair": [1], "trousers": [2], "shorts": [3]}
    assert sample.segment(0).area == 8 * 20 + 20 * 20 + 10 * 20 + 1
    assert {s.parent for s in sample.segments if s.id} == {0}
    assert sample.meta["names"] == {"2": "jeans"}
    assert "tights" not in sample.exhaustive  # easily taken for trousers
    assert "hat" not in sample.exhaustive  # there is one, too small for a segment
    assert "giraffe" in sample.exhaustive


def test_photos_of_which_nothing_is_marked_are_left_out(root: Path) -> None:
    photos = PhotoSet(root, ["facade", "ccp"], "train")
    assert len(photos) == 2
    image, sample = photos[0]
    assert image.mode == "RGB" and (image.height, image.width) == sample.size and sample.id == "facade/one"
    assert photos[0][1] is sample  # made once


def test_captions_are_measured(root: Path) -> None:
    (sample,) = read(root, "ccp", "train")
    captions = {s.label: s.caption for s in sample.segments}
    assert captions == {"person": "person", "hair": "red hair", "trousers": "black trousers", "shorts": "gray shorts"}
    assert (root / sample.image).is_file()


def test_turns_come_from_the_picture_as_it_is(root: Path) -> None:
    image, sample = PhotoSet(root, ["ccp"], "train")[0]
    assert measured_colors(image, sample) == {1: "red", 2: "black", 3: "gray"}
    made = turns(image, sample, np.random.default_rng(0))
    assert made == turns(image, sample, np.random.default_rng(0))
    assert any("red hair" in t.answer.text for t in made)
    Sample.model_validate({**sample.model_dump(), "turns": [t.model_dump() for t in made]})


def test_mistakes_are_one_plain_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MGLMM_PHOTOS", raising=False)
    with pytest.raises(UserError, match="MGLMM_PHOTOS"):
        photos_root()
    monkeypatch.setenv("MGLMM_PHOTOS", str(root))
    assert photos_root() == root
    with pytest.raises(UserError, match="no such folder"):
        photos_root(root / "none")
    with pytest.raises(UserError, match="No such file"):
        PhotoSet(root, ["dogs"], "train")
    (root / "ccp" / "masks" / "one.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"one\.png"):
        PhotoFolder(root, "ccp", "train").sample("one")
