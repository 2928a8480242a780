"""The official protocol against the authors' own evaluators.

Sums of a few hundred doubles in another order differ by some 1e-14, so 1e-9 is loose. The float32 loop of referring
segmentation is repeated operation by operation and agrees exactly; 1e-9 is asked of it as well.
"""

import numpy as np
import pytest

from mglmm import masks
from mglmm.eval.average_precision import OfficialAveragePrecision, TruthDetails
from mglmm.eval.grounded import OfficialGroundedMasks, iou_table, official_matches, official_mean_iou
from mglmm.eval.segmentation import OfficialGeneralizedReferring, OfficialReferringIoU, merged
from mglmm.eval.tally import OfficialFailureError
from tests.eval.golden import cases

TOLERANCE = 1e-9


def close(value):
    return pytest.approx(value, rel=0, abs=TOLERANCE)


@pytest.mark.parametrize(("case", "expected"), cases("units"))
def test_units(case, expected):
    table = iou_table(case["gt"], case["pred"])
    wanted = np.array(expected["iou_gt_by_pred"], dtype=float).reshape(table.shape)
    np.testing.assert_allclose(table, wanted, rtol=0, atol=TOLERANCE, equal_nan=True)
    assert official_mean_iou(table) == close(expected["miou"])
    similarity = np.array(case["text_sim"]).reshape(len(case["gt_labels"]), len(case["pred_labels"]))
    if isinstance(expected["matches"], dict):
        assert expected["matches"]["raises"] == "IndexError"
        with pytest.raises(IndexError):
            official_matches(table, similarity)
    else:
        assert official_matches(table, similarity) == [tuple(pair) for pair in expected["matches"]]


@pytest.mark.parametrize(("case", "expected"), cases("gcg"))
def test_gcg_average_precision(case, expected):
    ap = OfficialAveragePrecision(by_size=True)
    predicted = {p["image_id"]: p["pred_masks"] for p in case["predictions"]}
    for image in case["mask_gt"]["images"]:
        truth = annotations(case, image["id"])
        details = TruthDetails([a["id"] for a in truth], [a["area"] for a in truth], [a["iscrowd"] for a in truth])
        ap.update(image["id"], [a["segmentation"] for a in truth], predicted.get(image["id"], []), details)
    if "raises" in expected:
        with pytest.raises(OfficialFailureError) as failure:
            ap.compute()
        assert failure.value.official_type == expected["raises"]
        return
    assert ap.coco_stats() == close(expected["coco_stats"])
    assert ap.compute() == {"ap": close(expected["AP"]), "ap50": close(expected["AP50"])}
    # the quick way that the bootstrap takes gives the tool's numbers
    as_is = ap.resample(np.ones((1, len(ap)), dtype=np.int64))
    assert {name: values.item() for name, values in as_is.items()} == ap.compute() | {
        "ap": close(expected["AP"]),
        "ap50": close(expected["AP50"]),
    }


@pytest.mark.parametrize(("case", "expected"), cases("gcg"))
def test_gcg_masks(case, expected):
    if "raises" in expected:
        pytest.skip("the official evaluator gives no numbers")
    metric = OfficialGroundedMasks()
    predictions = {p["image_id"]: p for p in case["predictions"]}
    for image in case["caption_gt"]["images"]:
        truth = [a["segmentation"] for a in annotations(case, image["id"])]
        prediction = predictions[image["id"]]
        # with several captions only the first one's labels are used (G10)
        labels = next(a["labels"] for a in case["caption_gt"]["annotations"] if a["image_id"] == image["id"])
        similarity = np.array(case["text_sim"][str(image["id"])]).reshape(len(labels), len(prediction["phrases"]))
        mean_iou = metric.update(iou_table(truth, prediction["pred_masks"]), similarity)
        assert mean_iou == close(expected["miou_per_image"][str(image["id"])])
        row = dict(zip(metric.fields, metric.rows[-1], strict=True))
        assert [row["matched"], row["truth_parallel"]] == expected["recall_tp_ap_per_image"][str(image["id"])]
    assert metric.compute() == {
        "mean_iou": close(expected["miou"]),
        "mask_recall_parallel": close(expected["recall_mglmm_parallel"]),
        "mask_recall_serial": close(expected["recall_glamm_serial"]),
    }


@pytest.mark.parametrize(("case", "expected"), cases("refseg"))
def test_refseg(case, expected):
    per_mask, united = OfficialReferringIoU(), OfficialReferringIoU()
    for sample in case["samples"]:
        size = tuple(sample["size"])
        # only the pixel value 1 is target (R4), 255 is ignored (R3); the merging loop takes every value above 0
        truth = [values.get("1", merged([], size)) for values in sample["gt"]]
        per_mask.update(truth, sample["pred"], [values.get("255") for values in sample["gt"]])
        everything = [rle for values in sample["gt"] for rle in values.values()]
        united.update([merged(everything, size)], [merged(sample["pred"], size)])
    for code_base in ("lisa_validate", "glamm", "mglmm"):
        assert per_mask.compute() == fractions(expected[code_base])
    assert united.compute() == fractions(expected["mglmm_enable_merge"])


@pytest.mark.parametrize(("case", "expected"), cases("gres"))
def test_gres(case, expected):
    united = OfficialReferringIoU()
    metrics = {}
    for sample in case["samples"]:
        size = tuple(sample["size"])
        truth, predicted = merged(sample["gt_masks"], size), merged(sample["pred_masks"], size)
        united.update([truth], [predicted])
        for source in (sample["source"], "full"):
            metric = metrics.setdefault(source, OfficialGeneralizedReferring())
            metric.update(truth, predicted, sample["gt_nt"], sample["pred_nt"])
    assert united.compute() == fractions(expected["mglmm_enable_merge"])
    if "raises" in expected["rela"]:
        with pytest.raises(OfficialFailureError) as failure:
            metrics["full"].compute()
        assert failure.value.official_type == expected["rela"]["raises"]
        return
    for source, numbers in expected["rela"].items():
        found = metrics[source].compute()
        names = {
            "cIoU": 100 * found["cumulative_iou"],
            "gIoU": 100 * found["mean_iou"],
            "N_acc": found["no_target_accuracy"],
            "T_acc": found["target_accuracy"],
            **{f"Pr@0.{k}": 100 * found[f"precision_at_{k}0"] for k in (7, 8, 9)},
        }
        assert {name: names[name] for name in numbers} == {name: close(value) for name, value in numbers.items()}


def test_no_mask_is_both_target_and_missing():
    empty = masks.encode(np.zeros((4, 5), dtype=bool))
    assert merged([], (4, 5)) == empty


def annotations(case, image_id):
    return [a for a in case["mask_gt"]["annotations"] if a["image_id"] == image_id]


def fractions(numbers):
    return {"cumulative_iou": close(numbers["cIoU"]), "mean_iou": close(numbers["gIoU"])}
