"""Candidate masks of every kind, and what is measured and shown of them."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mglmm import masks
from mglmm.annotate.looks import Measured, place
from mglmm.annotate.proposals import ProposalOptions, check_proposals, propose
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.records import Proposal
from mglmm.annotate.regions import RegionOptions, propose_regions
from mglmm.annotate.run import run
from mglmm.annotate.sources import open_source
from mglmm.annotate.tree import TreeOptions, build_tree
from mglmm.annotate.views import OUTLINE, Viewer, ViewOptions
from mglmm.data.convert import convert
from mglmm.schema import Rle, Sample, UserError, read_jsonl
from mglmm.world.samples import world_sample
from tests.data.readers.realdata import FOLDER, files

PHOTOS = FOLDER / "demo_photos"


@pytest.fixture
def scene() -> Image.Image:
    """A white disc with a red disc in it, and a blue bar, on gray; 160 x 120."""
    image = Image.new("RGB", (160, 120), (128, 130, 132))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 20, 100, 100), fill=(240, 240, 236))
    draw.ellipse((45, 45, 75, 75), fill=(205, 38, 38))
    draw.rectangle((120, 10, 130, 110), fill=(40, 84, 200))
    return image


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    return (x - 60) ** 2 + (y - 60) ** 2 <= radius**2


def test_regions_find_things_and_their_parts(scene: Image.Image) -> None:
    found = propose_regions(scene, RegionOptions())
    truth = [masks.encode(disc(40)), masks.encode(disc(15))]
    table = masks.iou_matrix(truth, [p.rle.to_coco() for p in found])
    assert (table.max(axis=1) > 0.8).all(), table.max(axis=1)
    assert all(p.rle.size == (120, 160) and p.stability is not None and 0 < p.stability <= 1 for p in found)
    assert propose_regions(scene, RegionOptions()) == found
    nodes, _ = build_tree(found, Measured(scene), TreeOptions())
    red = next(n for n in nodes if n.looks.color == "red" and n.looks.shape == "round")
    assert red.parent is not None


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 200), (64, 64)])
def test_regions_of_hardly_a_picture(size_wh: tuple[int, int]) -> None:
    assert propose_regions(Image.new("RGB", size_wh, (9, 9, 9)), RegionOptions()) == []


def test_masks_beside_pictures_in_the_form_of_sa1b(tmp_path: Path, scene: Image.Image) -> None:
    scene.save(tmp_path / "sa_7.png")
    annotation = {
        "id": 1,
        "segmentation": masks.encode(disc(40)),
        "predicted_iou": 1.01,
        "stability_score": 0.97,
        "bbox": [20, 20, 80, 80],
    }
    image = {"image_id": 7, "width": 160, "height": 120, "file_name": "sa_7.png"}
    (tmp_path / "sa_7.json").write_text(json.dumps({"image": image, "annotations": [annotation]}))
    found = propose(scene, str(tmp_path / "sa_7.png"), None, ProposalOptions())
    assert found == [Proposal(rle=Rle.from_mask(disc(40)), origin="sa-1b", score=1.0, stability=0.97)]
    with pytest.raises(UserError, match="the picture is 120 x 100, a mask of it is"):
        propose(scene.crop((0, 0, 100, 120)), str(tmp_path / "sa_7.png"), None, ProposalOptions())


@pytest.mark.parametrize("text", ['{"notes": "mine"}', '{"image": {}}', '["image", "annotations"]'])
def test_other_json_beside_a_picture_is_not_taken_for_masks(tmp_path: Path, scene: Image.Image, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert {p.origin for p in propose(scene, str(tmp_path / "a.png"), None, ProposalOptions())} == {"regions"}


def test_damaged_masks_beside_a_picture_are_told(tmp_path: Path, scene: Image.Image) -> None:
    (tmp_path / "a.json").write_text('{"image": {"image_id": 7')
    with pytest.raises(UserError, match=r"a\.json"):
        propose(scene, str(tmp_path / "a.png"), None, ProposalOptions())


def test_masks_of_label_maps(tmp_path: Path, scene: Image.Image) -> None:
    values = (disc(40).astype(np.uint8) + disc(15)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    options = ProposalOptions(kind="label-map", label_maps=str(tmp_path))
    found = propose(scene, "elsewhere/a.jpg", None, options)
    assert [p.rle for p in found] == [Rle.from_mask(values == 1), Rle.from_mask(values == 2)]


def test_label_maps_of_like_names_are_kept_apart(tmp_path: Path, scene: Image.Image) -> None:
    """Two pictures called x: each has the map in the folder that is called like its own, or the run does not begin."""
    pictures, maps = tmp_path / "pictures", tmp_path / "maps"
    for folder, radius in (("a", 40), ("b", 15)):
        (pictures / folder).mkdir(parents=True)
        (maps / folder).mkdir(parents=True)
        scene.save(pictures / folder / "x.jpg")
        Image.fromarray(disc(radius).astype(np.uint8)).save(maps / folder / "x.png")
    options = ProposalOptions(kind="label-map", label_maps=str(maps))
    source = open_source(str(pictures), tmp_path / "out")
    check_proposals(options, source)
    found = [propose(scene, source.address(k), None, options) for k in range(2)]
    assert [[p.rle for p in one] for one in found] == [[Rle.from_mask(disc(40))], [Rle.from_mask(disc(15))]]
    for folder in ("a", "b"):
        (maps / folder / "x.png").rename(maps / "x.png")
    with pytest.raises(UserError, match=r"x\.png: .*a/x\.jpg and .*b/x\.jpg have this one label map"):
        check_proposals(options, source)
    (maps / "x.png").unlink()
    with pytest.raises(UserError, match=r"there is no .*maps/x\.png, nor any other"):
        check_proposals(options, source)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "given"}, "bare pictures have no masks; give a file of samples"),
        ({"kind": "sa-1b"}, r"there is no file .*a\.json"),
        ({"kind": "sam", "sam": {"device": "toaster"}}, "device toaster: not to be had here"),
        ({"kind": "sam", "sam": {"checkpoint": "no/such"}}, r"proposals\.sam\.checkpoint no/such"),
    ],
)
def test_mistakes_about_all_pictures_are_told_before_the_first(
    tmp_path: Path, scene: Image.Image, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "in").mkdir()
    scene.save(tmp_path / "in" / "a.png")
    recipe = AnnotateRecipe.model_validate({"proposals": options, "embedded": {"model": None}})
    with pytest.raises(UserError, match=said):
        run(str(tmp_path / "in"), tmp_path / "out", recipe)
    assert not (tmp_path / "out").exists()


def test_given_masks_keep_their_names_unless_told_otherwise() -> None:
    image, sample = world_sample(5, 128)
    kept = propose(image, "x.png", sample, ProposalOptions())
    assert [p.label for p in kept] == [s.label for s in sample.segments]
    bare = propose(image, "x.png", sample, ProposalOptions(labels="ignore"))
    assert {(p.label, p.caption) for p in bare} == {("", "")}
    with pytest.raises(UserError, match="a bare picture has no masks"):
        propose(image, "x.png", None, ProposalOptions(kind="given"))


def test_scores_go_with_their_masks() -> None:
    image, sample = world_sample(5, 128)
    last = sample.segments[-1].id
    scored = sample.model_copy(update={"meta": {"predicted_iou": {str(last): 1.01}, "stability_score": {"999": 0.5}}})
    found = propose(image, "x.png", scored, ProposalOptions())
    assert [(p.score, p.stability) for p in found] == [(None, None)] * (len(found) - 1) + [(1.0, None)]
    listed = sample.model_copy(update={"meta": {"predicted_iou": [0.9]}})
    with pytest.raises(UserError, match=rf"sample {sample.id}, field meta\.predicted_iou: is no mapping"):
        propose(image, "x.png", listed, ProposalOptions())


def test_coco_goes_through_the_readers(tmp_path: Path, scene: Image.Image) -> None:
    """Masks of COCO, with names: converted to samples first, as any data set."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val").mkdir()
    scene.save(tmp_path / "val" / "1.png")
    square = [20.0, 20.0, 100.0, 20.0, 100.0, 100.0, 20.0, 100.0]
    value = {
        "images": [{"id": 1, "file_name": "1.png", "width": 160, "height": 120}],
        "categories": [{"id": 3, "name": "plate"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [square], "iscrowd": 0, "area": 6400}
        ],
    }
    (tmp_path / "annotations" / "instances_val.json").write_text(json.dumps(value))
    convert("coco", tmp_path, "val", tmp_path / "coco.jsonl")
    recipe = AnnotateRecipe.model_validate({"embedded": {"model": None}, "workers": 0, "export": {"forms": ()}})
    run(str(tmp_path / "coco.jsonl"), tmp_path / "out", recipe)
    (sample,) = read_jsonl(tmp_path / "out" / "samples.jsonl", Sample)
    assert [s.label for s in sample.segments] == ["plate"]
    assert sample.turns[0].answer.phrases == ("a white plate",) or "plate" in sample.turns[0].answer.text


def test_sam_family_model_makes_masks(tmp_path: Path, scene: Image.Image) -> None:
    """Random weights: the masks mean nothing, but come in the size of the picture."""
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    vision = {
        "hidden_size": 16, "output_channels": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64,
        "patch_size": 8, "mlp_dim": 16, "global_attn_indexes": [0], "num_pos_feats": 4,
    }  # fmt: skip
    prompt = {"hidden_size": 8, "image_size": 64, "patch_size": 8, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 8, "mlp_dim": 8, "num_attention_heads": 2, "iou_head_hidden_dim": 8, "num_hidden_layers": 1,
    }  # fmt: skip
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    SamModel(config).save_pretrained(tmp_path / "sam")
    images = SamImageProcessor(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    SamProcessor(images).save_pretrained(tmp_path / "sam")
    loose = {"points_per_crop": 4, "pred_iou_thresh": -10.0, "stability_score_thresh": 0.0}
    options = ProposalOptions.model_validate(
        {"kind": "sam", "sam": {"checkpoint": str(tmp_path / "sam"), "call": loose}}
    )
    found = propose(scene, "x.png", None, options)
    assert found and all(p.origin == "sam" and p.score is not None for p in found)
    bad = AnnotateRecipe.model_validate({"proposals": {"kind": "sam", "sam": {"checkpoint": str(tmp_path / "none")}}})
    with pytest.raises(UserError, match=r"proposals.sam.checkpoint .*none"):
        run("world:3:4", tmp_path / "out", bad)


def test_looks_are_measured(scene: Image.Image) -> None:
    measured = Measured(scene)
    red = measured.looks(disc(15))
    assert (red.color, red.texture, red.shape, red.border) == ("red", "smooth", "round", 0.0)
    assert red.share == pytest.approx(disc(15).mean(), abs=1e-6)
    assert red.box_xywh == pytest.approx((45 / 160, 45 / 120, 31 / 160, 31 / 120), abs=1e-3)
    bar = np.zeros((120, 160), bool)
    bar[10:111, 120:131] = True
    seen = measured.looks(bar)
    assert (seen.color, seen.shape, place(seen)) == ("blue", "long", "on the right")
    dot = np.zeros((2000, 1500), bool)
    dot[0, 0] = True
    assert Measured(Image.new("RGB", (1500, 2000))).looks(dot).share > 0


def test_views_show_the_mask(scene: Image.Image) -> None:
    pixels = np.asarray(scene)
    view = Viewer(pixels, ViewOptions(quality=100)).view(disc(15))
    whole, crop = (np.asarray(Image.open(io.BytesIO(base64.b64decode(d)))) for d in (view.highlighted, view.crop))
    assert np.abs(whole[60, 60].astype(int) - pixels[60, 60]).max() < 12  # inside: as it is
    assert whole[5, 5].mean() < 0.7 * pixels[5, 5].mean()  # outside: darker
    assert (np.abs(whole.astype(int) - OUTLINE).max(axis=2) < 60).sum() > 40
    assert crop.shape[0] == pytest.approx(192, abs=8)  # small things are enlarged


def test_world_marks_more_parts_in_larger_pictures(tmp_path: Path) -> None:
    counts = []
    for side in (256, 512):
        _, _, sample = open_source(f"world:11:12@{side}", tmp_path).load(0)
        assert sample is not None and max(sample.size) == side
        counts.append(len(sample.segments))
    assert counts[1] > counts[0]


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not there")
def test_photographs_get_trees(tmp_path: Path) -> None:
    """Real photographs without any endpoint: every tree is checked, and none is empty."""
    names = sorted(p for p in PHOTOS.iterdir() if p.suffix in (".jpg", ".jpeg", ".png"))[:4]
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in names:
        image = Image.open(path).convert("RGB")
        image.thumbnail((400, 400))
        image.save(folder / f"{path.stem}.png")
    recipe = AnnotateRecipe.model_validate({"embedded": {"model": None}, "workers": 0, "export": {"forms": ()}})
    summary = run(str(folder), tmp_path / "out", recipe)
    assert summary.finished == len(names) and not summary.quarantined
    for sample in read_jsonl(tmp_path / "out" / "samples.jsonl", Sample):
        assert len(sample.segments) >= 8 and any(s.parent is not None for s in sample.segments)
        assert sample.turns[0].granularity == "panoptic" and sample.turns[0].answer.spans


@pytest.mark.parametrize("path", files("sa1b_tfds/*.json"))
def test_real_masks_of_sa1b_get_a_tree(path: Path, tmp_path: Path) -> None:
    """The masks are real, the picture is not there: an even one of its size stands for it."""
    image = json.loads(path.read_text())["image"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / path.name).write_text(path.read_text())
    picture = Image.new("RGB", (image["width"], image["height"]), (120, 140, 90))
    picture.save(tmp_path / "in" / f"{path.stem}.jpg")
    recipe = AnnotateRecipe.model_validate({"embedded": {"model": None}, "workers": 0, "export": {"forms": ["mgsc"]}})
    run(str(tmp_path / "in"), tmp_path / "out", recipe)
    (sample,) = read_jsonl(tmp_path / "out" / "samples.jsonl", Sample)
    assert sample.segments and sample.meta["annotation"]["proposals"] == "sa-1b"
    assert sample.turns[0].granularity == "panoptic" and sample.turns[0].answer.spans
