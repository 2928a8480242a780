"""Captions, boxes with phrases, and conversations: NoCaps, Flickr30k, Visual Genome, LLaVA, Osprey, MUSE."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mglmm import masks
from mglmm.data.readers import READERS
from mglmm.data.readers.boxes import rectangle
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError
from tests.data.readers.realdata import files
from tests.data.readers.test_grandf import picture, rle, write


def read(name: str, root: Path, split: str = "val", **options: Any) -> list[Sample]:
    return list(READERS[name](root, split, **options))


def texts(sample: Sample) -> list[str]:
    return [turn.answer.text for turn in sample.turns]


def refused(name: str, root: Path, reason: str, split: str = "val", kept: int = 0, **options: Any) -> None:
    """The reader refuses with one line, and skips one record if it may."""
    with pytest.raises(UserError, match=reason) as caught:
        read(name, root, split, **options)
    assert "\n" not in str(caught.value)
    skipped = Skipped()
    assert len(read(name, root, split, on_bad=skipped, **options)) == kept
    assert skipped.count == 1


@pytest.mark.parametrize("path", files("nocaps/nocaps_val*.json"))
def test_real_nocaps(path: Path) -> None:
    data = json.loads(path.read_text())
    samples = read("nocaps", path.parent, annotations=path.name, check_images=False)
    assert [(s.id, s.size) for s in samples] == [
        (f"nocaps/{i['id']}", (i["height"], i["width"])) for i in data["images"]
    ]
    for sample, image in zip(samples, data["images"], strict=True):
        assert texts(sample) == [a["caption"].strip() for a in data["annotations"] if a["image_id"] == image["id"]]
        assert sample.meta["open_images_id"] == image["open_images_id"]


def test_nocaps(tmp_path: Path) -> None:
    image = {"id": 0, "open_images_id": "ab", "height": 8, "width": 10, "file_name": "ab.jpg"}
    write(tmp_path / "nocaps_test_image_info.json", {"images": [{**image, "domain": "near-domain"}]})
    picture(tmp_path / "images/ab.jpg")
    (sample,) = read("nocaps", tmp_path, "test", annotations="nocaps_test_image_info.json")
    assert sample.turns == ()
    assert sample.meta == {"domain": "near-domain", "open_images_id": "ab"}


def test_flickr30k(tmp_path: Path) -> None:
    picture(tmp_path / "flickr30k-images/1.jpg")
    write(tmp_path / "results_20130124.token", "1.jpg#0\tA man .\n2.jpg#0\tNo .\n1.jpg#1\tTwo men .\n")
    write(tmp_path / "test.txt", "1\n")
    (sample,) = read("flickr30k", tmp_path, "test")
    assert texts(sample) == ["A man .", "Two men ."]
    assert sample.size == (8, 10)
    write(tmp_path / "test.txt", "1\n7\n")
    refused("flickr30k", tmp_path, "no caption of 7", "test", kept=1)
    entry = {"filename": "1.jpg", "split": "val", "sentences": [{"raw": "A Man!", "tokens": ["a", "man"]}]}
    write(tmp_path / "dataset_flickr30k.json", {"images": [entry], "dataset": "flickr30k"})
    assert texts(read("flickr30k", tmp_path)[0]) == ["A Man!"]
    with pytest.raises(UserError, match="no split 'test'; there are val"):
        read("flickr30k", tmp_path, "test")
    write(tmp_path / "dataset_flickr30k.json", {"images": [entry, {**entry, "filename": "../1.jpg"}]})
    refused("flickr30k", tmp_path, "leads out", kept=1)


XML = """<annotation><filename>1.jpg</filename><size><width>10</width><height>8</height><depth>3</depth></size>
<object><name>5</name><name>6</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>3</ymax></bndbox></object>
<object><name>5</name><bndbox><xmin>6</xmin><ymin>2</ymin><xmax>10</xmax><ymax>8</ymax></bndbox></object>
<object><name>7</name><scene>1</scene><nobndbox>0</nobndbox></object></annotation>"""
SENTENCES = (
    "[/EN#5/people Two men] and [/EN#6/people/bodyparts a man] of [/EN#0/notvisual it] in [/EN#7/scene town] .\n"
)


def entities(root: Path, xml: str = XML, sentences: str = SENTENCES) -> Path:
    write(root / "val.txt", "1\n")
    write(root / "Sentences/1.txt", sentences)
    write(root / "Annotations/1.xml", xml)
    picture(root / "flickr30k-images/1.jpg")
    return root


def test_entities(tmp_path: Path) -> None:
    (sample,) = read("flickr30k-entities", entities(tmp_path))
    assert texts(sample) == ["Two men and a man of it in town ."]
    assert sample.turns[0].answer.phrases == ("Two men", "a man")
    assert sample.turns[0].answer.segment_ids == (1, 2, 1)
    assert [(s.label, s.box) for s in sample.segments] == [("Two men", (0, 0, 4, 3)), ("Two men", (5, 1, 10, 8))]
    assert sample.meta == {"box_ids": [1, 2], "chains": [["5", "6"], ["5"]]}
    (sample,) = read("flickr30k-entities", tmp_path, boxes=False)
    assert sample.segments == ()
    assert sample.turns[0].task == "caption"


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (XML[:-30], "cut short"),
        (XML.replace("<xmin>6", "<xmin>six"), "'six' is no number"),
        (XML.replace("<xmin>6", "<xmin>nan"), "no number"),
        (XML.replace("<xmin>6", "<xmin>60").replace("<xmax>10", "<xmax>70"), "no pixel"),
        (XML.replace("<width>10", "<width>11"), "states 8 x 11"),
        ('<!DOCTYPE a [<!ENTITY b "bbbb">]>' + XML, "entities"),
    ],
)
def test_broken_entities(xml: str, reason: str, tmp_path: Path) -> None:
    refused("flickr30k-entities", entities(tmp_path, xml), reason)


def test_broken_sentences(tmp_path: Path) -> None:
    refused("flickr30k-entities", entities(tmp_path, sentences="[/EN#5/people Two men .\n"), "is damaged")


@pytest.mark.parametrize("path", files("flickr30k_entities/Sentences/*.txt"))
def test_real_sentences(path: Path) -> None:
    """Taking the marks out of the file's lines with the simplest of means gives the same texts and phrases."""
    samples = read("flickr30k-entities", path.parents[1], "all", images="images", boxes=False)
    sample = next(s for s in samples if s.id.endswith(f"/{path.stem}"))
    lines = path.read_text().strip().splitlines()
    assert texts(sample) == [re.sub(r"\[/EN#\S+ ", "", line).replace("]", "").strip() for line in lines]


def test_visual_genome(tmp_path: Path) -> None:
    region = {"region_id": 9, "phrase": " a red cat ", "x": -1, "y": 2, "width": 5, "height": 3}
    entry = {"id": 2, "regions": [region]}
    write(tmp_path / "region_descriptions.json", [entry])
    write(tmp_path / "image_data.json", [{"image_id": 2, "width": 10, "height": 8, "url": "x"}])
    picture(tmp_path / "VG_100K_2/2.jpg")
    (sample,) = read("visual-genome", tmp_path, "all")
    assert sample.image == "VG_100K_2/2.jpg"
    assert [(s.id, s.label, s.box) for s in sample.segments] == [(9, "a red cat", (0, 2, 4, 5))]
    (turn,) = sample.turns
    assert (turn.answer.text, turn.region_ids, turn.task) == ("a red cat", (9,), "caption")
    assert sample.meta == {"box_ids": [9]}
    write(tmp_path / "image_data.json", [{"id": 2, "width": 10, "height": 8, "coco_id": None}])
    write(
        tmp_path / "objects.json", [{"id": 2, "objects": [{"id": 4, "names": ["cat"], "x": 1, "y": 1, "w": 2, "h": 2}]}]
    )
    (sample,) = read("visual-genome-objects", tmp_path, "all")
    assert [(s.id, s.label, s.area) for s in sample.segments] == [(4, "cat", 4)]
    for change, reason in (
        ({"x": 20}, "no pixel of the box"),
        ({"width": "wide"}, "width"),
        ({"height": 0}, "no pixel"),
    ):
        write(tmp_path / "region_descriptions.json", [{"id": 2, "regions": [{**region, **change}]}, entry])
        refused("visual-genome", tmp_path, reason, "all", kept=1)
    write(tmp_path / "region_descriptions.json", json.dumps([entry])[:-9])
    with pytest.raises(UserError, match="cut short"):
        read("visual-genome", tmp_path, "all", on_bad=Skipped())
    with pytest.raises(UserError, match="--split all"):
        read("visual-genome", tmp_path, "train")


@pytest.mark.parametrize("path", files("visual_genome/**/region_graphs.json", "visual_genome/**/objects.json"))
def test_real_visual_genome(path: Path, tmp_path: Path) -> None:
    data = json.loads(path.read_text())
    for entry in data:
        picture(tmp_path / f"{entry['image_id']}.jpg", (1300, 1300))
    regions = path.stem == "region_graphs"
    name = "visual-genome" if regions else "visual-genome-objects"
    images = str(Path("/") / tmp_path)
    samples = read(name, path.parent, "all", annotations=path.name, images=images)
    assert len(samples) == len(data)
    for sample, entry in zip(samples, data, strict=True):
        if regions:
            stated = [(r["region_id"], r["phrase"].strip(), r["width"], r["height"]) for r in entry["regions"]]
        else:
            stated = [(o["object_id"], o["names"][0].strip(), o["w"], o["h"]) for o in entry["objects"]]
        found = [(s.id, s.label, s.box[2] - s.box[0], s.box[3] - s.box[1]) for s in sample.segments]
        assert found == stated


def test_llava(tmp_path: Path) -> None:
    says = [("human", "<image>\nWhat?"), ("gpt", "A cat."), ("human", "Where?"), ("gpt", "Here.")]
    talk = [{"from": a, "value": b} for a, b in says]
    entry = {"id": "7", "image": "coco/1.jpg", "conversations": talk}
    write(tmp_path / "mix.json", [entry, {"id": "8", "conversations": talk}, entry])
    picture(tmp_path / "coco/1.jpg")
    first, second = read("llava-instruct", tmp_path, "mix")
    assert [(t.instruction, t.answer.text, t.follows) for t in first.turns] == [
        ("What?", "A cat.", False),
        ("Where?", "Here.", True),
    ]
    assert first.image == "coco/1.jpg"
    assert (first.id, second.id) == ("llava-instruct/1/7", "llava-instruct/3/7")
    for change, reason in (
        ({"conversations": talk[1:]}, "take turns"),
        ({"conversations": talk[:3]}, "take turns"),
        ({"conversations": []}, "take turns"),
        ({"conversations": [{"from": "dog", "value": "x"}]}, "message 1"),
        ({"conversations": [talk[0], {"from": "gpt", "value": "In HTML: <p>"}]}, "markup"),
        ({"conversations": [{"from": "human", "value": "<image>"}, talk[1]]}, "empty instruction"),
        ({"image": "../1.jpg"}, "leads out"),
        ({"image": "none.jpg"}, "no such picture"),
        ({"image": 5}, "image"),
    ):
        write(tmp_path / "mix.json", [entry, {**entry, **change}])
        refused("llava-instruct", tmp_path, reason, "mix", kept=1)


@pytest.mark.parametrize("path", files("llava/llava_instruct*.json"))
def test_real_llava(path: Path, tmp_path: Path) -> None:
    data = json.loads(path.read_text())
    for entry in data:
        picture(tmp_path / entry["image"])
    write(tmp_path / path.name, path.read_text())
    samples = read("llava-instruct", tmp_path, path.stem)
    assert len(samples) == len(data)
    for sample, entry in zip(samples, data, strict=True):
        said = [m["value"].replace("<image>\n", "") for m in entry["conversations"]]
        assert [text for t in sample.turns for text in (t.instruction, t.answer.text)] == said
        assert [t.follows for t in sample.turns] == [False] + [True] * (len(sample.turns) - 1)


def test_osprey(tmp_path: Path) -> None:
    talk = [
        {"from": "human", "value": "What is <region2> doing?"},
        {"from": "gpt", "value": "<region2> looks at <region1>."},
        {"from": "human", "value": "Is it day?"},
        {"from": "gpt", "value": "Yes."},
    ]
    regions = [{"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}, {"segmentation": rle(5, 5, 8, 8)}]
    entry = {"file_name": "COCO_train2014_1.jpg", "height": 8, "width": 10, "annotation": regions}
    write(tmp_path / "osprey_conversation.json", [{**entry, "conversations": talk}])
    picture(tmp_path / "images/1.jpg")
    (sample,) = read("osprey-724k", tmp_path, "conversation")
    first, second = sample.turns
    assert (first.instruction, first.region_ids) == ("What is region2 doing?", (2,))
    assert (first.answer.phrases, first.answer.segment_ids) == (("region2", "region1"), (2, 1))
    assert (second.region_ids, second.follows) == ((1, 2), True)
    assert [s.area for s in sample.segments] == [16, 9]
    several = [{**entry, "conversations": said} for said in (talk[:3], talk[:1], [], talk)]
    write(tmp_path / "osprey_conversation.json", several)
    found = read("osprey-724k", tmp_path, "conversation")
    assert [(s.id[-1], len(s.turns)) for s in found] == [("1", 1), ("4", 2)]
    told = ["<region1>: A red cat.", "<region2>: A dog beside <region1>."]
    write(tmp_path / "osprey_detail_description.json", [{**entry, "description": told}])
    (sample,) = read("osprey-724k", tmp_path, "detail_description")
    assert texts(sample) == ["A red cat.", "A dog beside region1."]
    assert [t.region_ids for t in sample.turns] == [(1,), (2,)]
    for change, reason in (
        ({"description": told[:1]}, "1 descriptions of 2 regions"),
        ({"description": ["A cat.", told[1]]}, "description 1"),
        ({"description": [told[0], "<region2>: by <region3>"]}, "<region3> of 2"),
        ({"annotation": [regions[0], {"segmentation": rle(0, 0, 1, 1, (9, 9))}], "description": told}, r"\(9, 9\)"),
        ({"file_name": "../1.jpg", "description": told}, "leads out"),
    ):
        write(tmp_path / "osprey_detail_description.json", [{**entry, "description": told}, {**entry, **change}])
        refused("osprey-724k", tmp_path, reason, "detail_description", kept=1)
    with pytest.raises(UserError, match="no split 'val'"):
        read("osprey-724k", tmp_path)


def test_muse(tmp_path: Path) -> None:
    cat = {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]], "category_name": "cat", "rephrased_name": "the red cat"}
    dog = {"segmentation": rle(5, 5, 8, 8), "category_name": "dog"}
    entry = {
        "height": 8,
        "width": 10,
        "coco_url": "http://images.cocodataset.org/val2017/1.jpg",
        "ann_list": [cat, dog],
        "questions": ["who sleeps?", "who runs?"],
        "answers": [[cat, dog], [cat]],
        "text_answers": ["The red cat {seg} and the old hound {seg}.", None],
    }
    write(tmp_path / "muse_val.json", [entry])
    picture(tmp_path / "val2017/1.jpg")
    (sample,) = read("muse", tmp_path)
    assert [(s.id, s.label, s.area) for s in sample.segments] == [(1, "the red cat", 16), (2, "dog", 9)]
    first, second = sample.turns
    assert first.answer.text == "The red cat and the old hound."
    assert (first.answer.phrases, first.answer.segment_ids) == (("The red cat", "hound"), (1, 2))
    assert (second.answer.phrases, second.answer.segment_ids) == (("the red cat",), (1,))
    for change, reason in (
        ({"answers": [[cat, dog]]}, "1 answers"),
        ({"text_answers": ["{seg} and {seg}", None]}, "without a word"),
        ({"text_answers": ["a cat {seg}", None]}, "1 marks"),
        ({"answers": [[cat, dog], []]}, "no target"),
        ({"answers": [[cat, {**dog, "segmentation": [[0, 0, 90, 0, 4, 4]]}], [cat]]}, "outside"),
        ({"coco_url": "x/../../1.jpg"}, "leads out|no such picture"),
    ):
        write(tmp_path / "muse_val.json", [entry, {**entry, **change}])
        refused("muse", tmp_path, reason, kept=1)


def test_boxes_are_cut_at_the_edges() -> None:
    for box in [(-5, 1, 2.4, 100), (0, 0, 4, 3), (3, 2, 4, 3), (1, 0, 2, 1), (0, 0, 4, 1)]:
        mask = np.zeros((3, 4), dtype=bool)
        mask[max(box[1], 0) : box[3], max(box[0], 0) : round(box[2])] = True
        assert np.array_equal(masks.decode(rectangle(box, (3, 4)).to_coco()), mask)
