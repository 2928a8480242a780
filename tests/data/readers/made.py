"""A small whole data set for every reader: three images of 8 x 10 pixels, two masks each where it has masks."""

import base64
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mglmm import masks
from mglmm.data.export import Options, export
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn, write_jsonl
from tests.data.readers.made_coco import (
    HEIGHT,
    NUMBERS,
    WIDTH,
    captions_file,
    coco_file,
    ids,
    instances,
    lvis_file,
    paco_file,
    panoptic_files,
    pictures,
    png,
    polygon,
    put,
    refs_files,
    rle,
    text,
)


class Made(NamedTuple):
    """How a set is written into a folder, the split to read, and the reader's options."""

    write: Callable[[Path], None]
    split: str
    options: Mapping[str, str | bool] = {}


def _ade20k(root: Path) -> None:
    folder = root / "images/ADE/val/street"
    for number in NUMBERS:
        things = []
        for k, above in enumerate(([], 0)):
            name = f"ADE_{number}/instance_00{k}_ADE_{number}.png"
            png(folder / name, ids(0, 255) if k else ids(255, 128, 0))
            parts = {"ispartof": above, "part_level": k, "hasparts": []}
            thing = {"id": k, "name": "car, auto", "raw_name": "car", "attributes": ["red"], "instance_mask": name}
            things.append({**thing, "parts": parts})
        about = {"filename": f"ADE_{number}.jpg", "imsize": [HEIGHT, WIDTH, 3], "scene": ["street"], "object": things}
        put(folder / f"ADE_{number}.json", {"annotation": about})
    pictures(root, "images/ADE/val/street/ADE_{}.jpg")


def _maps(names: str, content: str, folder: str, image: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        text(root / names, content)
        for number in NUMBERS:
            png(root / folder / f"{number}.png", ids(0, 1, 2))
        pictures(root, image)

    return write


def _mapillary(root: Path) -> None:
    labels = [
        {"name": "nature--tree", "readable": "Tree", "instances": True},
        {"name": "void--unlabeled", "readable": "Unlabeled", "instances": False},
    ]
    put(root / "config_v2.0.json", {"labels": labels})
    for number in NUMBERS:
        png(root / f"val/v2.0/instances/{number}.png", ids(0, 1, 256).astype(np.uint16))
    pictures(root, "val/images/{}.jpg")


def _voc(root: Path) -> None:
    text(root / "VOC2012/ImageSets/Segmentation/val.txt", "1\n2\n3\n")
    for number in NUMBERS:
        png(root / f"VOC2012/SegmentationObject/{number}.png", ids(1, 2, 255))
        png(root / f"VOC2012/SegmentationClass/{number}.png", ids(15, 3, 255))
    pictures(root, "VOC2012/JPEGImages/{}.jpg")


def _pascal_part(root: Path) -> None:
    from scipy.io import savemat

    mask = ids(1, 0).astype(np.uint8)
    part = np.zeros((1, 1), dtype=[("part_name", "O"), ("mask", "O")])
    part[0, 0] = ("head", mask)
    things = np.zeros((1, 1), dtype=[("class", "O"), ("class_ind", "O"), ("mask", "O"), ("parts", "O")])
    things[0, 0] = ("person", 15, mask, part)
    anno = np.zeros((1, 1), dtype=[("imname", "O"), ("objects", "O")])
    (root / "Annotations_Part").mkdir()
    for number in NUMBERS:
        anno[0, 0] = (str(number), things)
        savemat(root / f"Annotations_Part/{number}.mat", {"anno": anno})
    text(root / "VOC2010/ImageSets/Main/val.txt", "1\n2\n3\n")
    pictures(root, "VOC2010/JPEGImages/{}.jpg")


def _reasonseg(root: Path) -> None:
    for number in NUMBERS:
        shapes = [
            {"label": "target", "points": [[0, 0], [6, 0], [6, 6], [0, 6]]},
            {"label": "ignore", "points": [[2, 2], [4, 2], [4, 4]]},
        ]
        put(root / f"val/{number}.json", {"text": ["what sleeps?"], "is_sentence": True, "shapes": shapes})
    pictures(root, "val/{}.jpg")


def _muse(root: Path) -> None:
    cat = {"segmentation": polygon(0, 0, 4, 4), "category_name": "cat", "rephrased_name": "the red cat"}
    dog = {"segmentation": rle(5, 5, 8, 8), "category_name": "dog"}
    about = {
        "height": HEIGHT,
        "width": WIDTH,
        "questions": ["who sleeps?", "who runs?"],
        "answers": [[cat, dog], [cat]],
    }
    about["text_answers"] = ["The red cat {seg} and the old dog {seg}.", None]
    put(root / "muse_val.json", [{**about, "coco_url": f"http://x/val2017/{n}.jpg"} for n in NUMBERS])
    pictures(root, "val2017/{}.jpg")


def _boxes(file: str, key: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        one = {"x": 1, "y": 1, "width": 3, "height": 3, "w": 3, "h": 3, "phrase": "a cat", "names": ["cat"]}
        marks = [{**one, "region_id": k, "object_id": k} for k in (1, 2)]
        put(root / file, [{"id": n, "image_id": n, key: marks} for n in NUMBERS])
        put(root / "image_data.json", [{"image_id": n, "width": WIDTH, "height": HEIGHT} for n in NUMBERS])
        pictures(root, "VG_100K/{}.jpg")

    return write


def _flickr30k(root: Path) -> None:
    told = [{"raw": "A man.", "tokens": ["a", "man"]}, {"raw": "Two men."}]
    put(
        root / "dataset_flickr30k.json",
        {"images": [{"filename": f"{n}.jpg", "split": "val", "sentences": told} for n in NUMBERS]},
    )
    pictures(root, "flickr30k-images/{}.jpg")


def _entities(root: Path) -> None:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>3</ymax></bndbox>"
    xml = (
        f"<annotation><size><width>10</width><height>8</height></size><object><name>5</name>{box}</object></annotation>"
    )
    for number in NUMBERS:
        text(root / f"Sentences/{number}.txt", "[/EN#5/people Two men] in [/EN#7/scene town] .\nA man .\n")
        text(root / f"Annotations/{number}.xml", xml)
    text(root / "val.txt", "1\n2\n3\n")
    pictures(root, "flickr30k-images/{}.jpg")


def _human(file: str, folder: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        phrases = {
            "two cats": {"token_positives": [10, 18], "rle_masks": [rle(0, 0, 2, 2), rle(1, 1, 3, 3)]},
            "A dog": {"token_positives": [0, 5], "rle_masks": [rle(5, 5, 8, 8)]},
            "sit": None,
        }
        entry = {"caption": '"A dog and two cats sit."', "groundings": phrases}
        put(root / "GranDf/annotations/train" / file, [{**entry, "file_name": f"{n}.jpg"} for n in NUMBERS])
        pictures(root, folder + "/{}.jpg")

    return write


def _grandf_flickr(root: Path) -> None:
    content = instances(caption="A cat in a street")
    for mark, (start, end) in zip(content["annotations"], [(0, 5), (9, 17)] * len(NUMBERS), strict=True):
        mark |= {"tokens_positive": [[start, end]], "sam_mask": rle(0, 0, 3, 3), "ignore": False}
    put(root / "GranDf/annotations/train/flickr_mergedGT_GCG_train.json", content)
    pictures(root, "flikcr_30k/train/{}.jpg")


def _grandf_refcocog(root: Path) -> None:
    said = [
        {"sentence": "the cat", "segmentation": polygon(0, 0, 4, 4)},
        {"sentence": "a dog", "segmentation": polygon(4, 4, 8, 8)},
    ]
    entries = [{str(n): {"img_file_name": f"{n}.jpg", "caption": "the cat and a dog", "refs": said}} for n in NUMBERS]
    put(root / "GranDf/annotations/train/RefCOCOg_GCG_train.json", entries)
    pictures(root, "coco_2014/train2014/{}.jpg")


def _grand(root: Path) -> None:
    for number in NUMBERS:
        things = [
            {"id": 0, "labels": ["red_car", "auto"], "attributes": ["a red car"], "segmentation": rle(0, 0, 3, 3)},
            {"id": 1, "labels": ["tree"], "bbox": [0, 0, 4, 4]},
        ]
        told = {"caption": "a red car", "details": [{"phrase": "red car", "ids": [0], "tokens_positive": [2, 9]}]}
        scene = {"objects": things, "floating_objects": [], "short_captions": [told], "dense_caption": told}
        put(root / f"part_1/sa_{number}.json", {f"sa_{number}.jpg": scene})
    pictures(root, "images/sa_{}.jpg")


def _dci(root: Path) -> None:
    def mask(index: int, parent: int, *box: int) -> dict[str, Any]:
        file = io.BytesIO()
        pixels = masks.decode(masks.CocoRle(size=[HEIGHT, WIDTH], counts=rle(*box)["counts"]))
        Image.fromarray(pixels).save(file, "PNG")
        about = {"idx": index, "parent": parent, "label": "cat", "caption": "A red cat.", "mask_quality": 0}
        return {**about, "outer_mask": base64.b64encode(file.getvalue()).decode()}

    for number in NUMBERS:
        found = {"0": mask(0, -1, 0, 0, 6, 6), "1": mask(1, 0, 0, 0, 3, 3)}
        about = {"image": f"{number}.jpg", "short_caption": "A cat.", "extra_caption": "It sits.", "mask_data": found}
        put(root / f"annotations/{number}.json", about)
    put(root / "splits.json", {"val": [f"{n}.json" for n in NUMBERS]})
    pictures(root, "photos/{}.jpg")


def _sa1b(root: Path) -> None:
    for number in NUMBERS:
        common = {"predicted_iou": 0.9, "stability_score": 0.97, "bbox": [0, 0, 3, 3], "area": 16}
        marks = [{**common, "id": k, "segmentation": rle(0, 0, 3 + k, 4)} for k in (1, 2)]
        about = {"image_id": number, "width": WIDTH, "height": HEIGHT, "file_name": f"sa_{number}.jpg"}
        put(root / f"sa_000020/sa_{number}.json", {"image": about, "annotations": marks})
    pictures(root, "sa_000020/sa_{}.jpg")


def _mgsc(root: Path) -> None:
    def key(*box: int) -> dict[str, str]:
        found = rle(*box)
        counts = base64.b64encode(found["counts"].encode()).decode()
        return {"label": "car", "mask": json.dumps({"size": found["size"], "counts": counts})}

    for number in NUMBERS:
        common = {"file_name": f"sa_{number}.jpg", "car": key(0, 0, 6, 6)}
        nodes: list[dict[str, Any]] = [
            {**common, "label": "root", "type": "root", "gcg_caption": "<car>A car</car>.", "gcg_labels": ["car"]},
            {
                **common,
                "label": "subtree: car",
                "type": "subtree",
                "gcg_caption": "<car>A car</car> on <wheel>a wheel</wheel>.",
                "gcg_labels": ["car", "wheel"],
                "wheel": key(4, 0, 6, 2),
            },
        ]
        put(root / f"annotations/mglmm_sa_{number}.json", nodes)
    text(root / "val.txt", "".join(f"mglmm_sa_{n}.json\n" for n in NUMBERS))
    pictures(root, "images/sa_{}.jpg")


def _llava(root: Path) -> None:
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
    put(root / "mix.json", [{"id": str(n), "image": f"coco/{n}.jpg", "conversations": talk} for n in NUMBERS])
    pictures(root, "coco/{}.jpg")


def _osprey(root: Path) -> None:
    talk = [{"from": "human", "value": "What is <region2>?"}, {"from": "gpt", "value": "<region2> is by <region1>."}]
    regions = [{"segmentation": polygon(0, 0, 4, 4)}, {"segmentation": rle(5, 5, 8, 8)}]
    about = {"height": HEIGHT, "width": WIDTH, "annotation": regions, "conversations": talk}
    put(root / "osprey_conversation.json", [{**about, "file_name": f"{n}.jpg"} for n in NUMBERS])
    pictures(root, "images/{}.jpg")


def _folder(root: Path) -> None:
    rows = ["image,mask,phrase,value,label,caption,id,parent"]
    for number in NUMBERS:
        png(root / f"masks/{number}.png", ids(0, 1, 2))
        rows += [f"{number}.jpg,{number}.png,the cat,1,cat,A cat.,1,", f"{number}.jpg,{number}.png,its ear,2,ear,,2,1"]
    text(root / "val.csv", "\n".join(rows) + "\n")
    pictures(root, "images/{}.jpg")


def _label_studio(root: Path) -> None:
    pictures(root, "images/{}.jpg")
    answer = GroundedText(text="A cat.", spans=(Span(start=0, end=5, segment_ids=(1,)),))
    samples = (
        Sample(
            id=str(number),
            image=f"images/{number}.jpg",
            size=(HEIGHT, WIDTH),
            segments=(Segment(id=1, rle=Rle.model_validate(rle(0, 0, 4, 4)), label="cat", caption="red cat"),),
            turns=(Turn(task="referring", instruction="Segment the cat.", answer=answer),),
        )
        for number in NUMBERS
    )
    write_jsonl(root / "samples.jsonl", samples)
    export("label-studio", root / "samples.jsonl", str(root), Options("val"))


MADE: Mapping[str, Made] = {
    "ade20k": Made(_ade20k, "val"),
    "ade20k-150": Made(
        _maps("objectInfo150.txt", "Idx\tName\n1\twall\n2\tbed\n", "annotations/val", "images/val/{}.jpg"), "val"
    ),
    "coco": Made(coco_file("val.json"), "val"),
    "coco-captions": Made(captions_file("annotations/captions_val.json"), "val"),
    "coco-instances": Made(coco_file("instances_val.json"), "val"),
    "coco-panoptic": Made(panoptic_files, "val"),
    "coco-stuff": Made(coco_file("stuff_val.json"), "val"),
    "coco-stuff-maps": Made(
        _maps("labels.txt", "0: unlabeled\n1: cat\n2: dog\n3: cow\n", "val", "images/val/{}.jpg"), "val"
    ),
    "dci": Made(_dci, "val"),
    "flickr30k": Made(_flickr30k, "val"),
    "flickr30k-entities": Made(_entities, "val"),
    "folder": Made(_folder, "val"),
    "grand": Made(_grand, "part_1"),
    "grandf": Made(_human("GranDf_HA_GCG_train.json", "GranDf_HA_images/train"), "train"),
    "grandf-flickr": Made(_grandf_flickr, "train"),
    "grandf-openpsg": Made(_human("OpenPsgGCG_train.json", "coco_2017/train2017"), "train"),
    "grandf-refcocog": Made(_grandf_refcocog, "train"),
    "grefcoco": Made(refs_files("grefcoco", "train2014"), "val"),
    "label-studio": Made(_label_studio, "val", {"reviewed_only": False}),
    "llava-instruct": Made(_llava, "mix"),
    "lvis": Made(lvis_file, "val"),
    "mapillary": Made(_mapillary, "val"),
    "mgsc": Made(_mgsc, "val"),
    "muse": Made(_muse, "val"),
    "nocaps": Made(captions_file("nocaps_val_4500_captions.json"), "val"),
    "osprey-724k": Made(_osprey, "conversation"),
    "paco-lvis": Made(paco_file, "val"),
    "pascal-part": Made(_pascal_part, "val"),
    "pascal-voc": Made(_voc, "val"),
    "reasonseg": Made(_reasonseg, "val"),
    "refclef": Made(refs_files("refclef", "images/saiapr_tc-12"), "val"),
    "refcoco": Made(refs_files("refcoco", "train2014"), "val"),
    "refcoco+": Made(refs_files("refcoco+", "train2014"), "val"),
    "refcocog": Made(refs_files("refcocog", "train2014"), "val"),
    "sa-1b": Made(_sa1b, "sa_000020"),
    "visual-genome": Made(_boxes("region_descriptions.json", "regions"), "all"),
    "visual-genome-objects": Made(_boxes("objects.json", "objects"), "all"),
}
"""Of every reader, by its name."""
