"""Converted checkpoints do what the authors' code did, as recorded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor, losses
from mglmm.model.convert import convert
from tests.model import whole

ORACLE = Path(__file__).resolve().parents[3] / "shared" / "oracle"
VARIANTS = sorted(path.parent.name for path in ORACLE.glob("*/variant.json"))
pytestmark = pytest.mark.skipif(not VARIANTS, reason="shared/oracle is not here")

MAX_NEW_TOKENS = 40
"""Of every recorded answer."""

LOGITS = {"atol": 5e-4, "rtol": 0.0}
"""Recorded by torch 2.1; two versions of torch differ by up to 1e-4 in logits and masks (the noise floor)."""


class Converted:
    """A converted variant beside its record."""

    def __init__(self, name: str, folder: Path):
        self.root = ORACLE / name
        heads = json.loads((self.root / "sam_config.json").read_text())["decoder_num_heads"]
        self.folder = convert(self.root / "checkpoint", folder / name, num_decoder_heads=heads)
        self.model = MGLMMForConditionalGeneration.from_pretrained(self.folder, dtype=torch.float32).eval()
        self.processor = MGLMMProcessor.from_pretrained(self.folder)
        self.meta = json.loads((self.root / "expected" / "meta.json").read_text())

    def image(self, name: str) -> Image.Image:
        return Image.open(self.root / "images" / f"{name}.png").convert("RGB")

    def record(self, name: str) -> Any:
        return np.load(self.root / "expected" / f"{name}.npz")

    @property
    def cases(self) -> list[dict[str, Any]]:
        """Those without regions, whose prompts are refused."""
        return [case for case in self.meta["cases"] if not case.get("boxes")]


@pytest.fixture(scope="module", params=VARIANTS)
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return Converted(request.param, tmp_path_factory.mktemp("converted"))


def test_images_are_prepared_as_recorded(converted: Converted) -> None:
    compared = 0
    for path in sorted((converted.root / "expected").glob("*.npz")):
        record = np.load(path)
        if "clip_pixel_values" not in record or "sam_input" not in record:
            continue
        name = next(case["image"] for case in converted.meta["cases"] if case["image"] in path.stem)
        image = converted.image(name)
        seen = converted.processor.pixels([image])["pixel_values"].numpy()
        np.testing.assert_allclose(seen, record["clip_pixel_values"], atol=1e-5)
        framed = converted.processor.grounding_pixels([image]).numpy()
        np.testing.assert_allclose(framed, record["sam_input"], atol=1e-4)
        compared += 1
    assert compared


def test_texts_are_tokenized_as_recorded(converted: Converted) -> None:
    path = converted.root / "expected" / "tokenizer_cases.json"
    if not path.is_file():
        pytest.skip("no cases of the tokenizer are recorded")
    tokenizer = converted.processor.tokenizer
    image = tokenizer.convert_tokens_to_ids("<image>")
    for case in json.loads(path.read_text()):
        assert tokenizer(case["text"])["input_ids"] == [image if i == -200 else i for i in case["image_token_ids"]]
        assert tokenizer.decode(case["ids"]) == case["decode"]
        assert tokenizer.decode(case["ids"], skip_special_tokens=True) == case["decode_skip"]


def test_answers_and_masks_are_those_recorded(converted: Converted) -> None:
    for case in converted.cases:
        record, image = converted.record(case["file"]), converted.image(case["image"])
        inputs = converted.processor.prompt([image], [[(case["instruction"], None)]])
        placeholder = converted.model.config.lmm_config.image_token_id
        ids = inputs["input_ids"][0].tolist()
        first = ids.index(placeholder)
        assert [*ids[:first], -200, *ids[first + ids.count(placeholder) :]] == record["input_ids"][0].tolist()
        features = converted.model.encode_grounding(converted.processor.grounding_pixels([image]))
        output = whole.answers(
            converted.model, **inputs, grounding=lambda rows, seen=features: seen, max_new_tokens=MAX_NEW_TOKENS
        )
        assert output.sequences[0].tolist() == record["new_tokens"].ravel().tolist()
        assert len(output.mask_logits[0]) == len(record["seg_embeds"])
        if not len(record["seg_embeds"]):
            continue
        torch.testing.assert_close(output.prompts[0], torch.from_numpy(record["seg_embeds"]), **LOGITS)
        torch.testing.assert_close(output.mask_logits[0], torch.from_numpy(record["low_res_masks"])[:, 0], **LOGITS)
        torch.testing.assert_close(output.iou_scores[0], torch.from_numpy(record["iou_pred"])[:, 0], **LOGITS)
        full = converted.processor.resize_masks(output.mask_logits[0], (image.height, image.width))
        torch.testing.assert_close(full, torch.from_numpy(record["pred_masks"]), **LOGITS)


def test_teacher_forced_logits_are_those_recorded(converted: Converted) -> None:
    compared = 0
    for case in converted.cases:
        record = converted.record(case["file"])
        if "tf_logits" not in record:
            continue
        inputs = converted.processor.prompt([converted.image(case["image"])], [[(case["instruction"], None)]])
        new = torch.from_numpy(record["new_tokens"]).reshape(1, -1)
        ids = torch.cat([inputs["input_ids"], new], 1)
        with torch.no_grad():
            output = converted.model(
                input_ids=ids[:, : ids.shape[1]],
                attention_mask=torch.ones_like(ids),
                pixel_values=inputs["pixel_values"],
                row_image_index=inputs["row_image_index"],
            )
        expected = torch.from_numpy(record["tf_logits"])
        torch.testing.assert_close(output.logits[:, : expected.shape[1], : expected.shape[2]], expected, **LOGITS)
        compared += 1
    if not compared:
        pytest.skip("no teacher-forced logits are recorded")


def test_training_losses_are_those_recorded(converted: Converted) -> None:
    """Three conversations about two images in one padded batch; masks are compared at each image's own size."""
    if not (converted.root / "expected" / "train.npz").is_file():
        pytest.skip("no training step is recorded")
    record, names = converted.record("train"), converted.meta["train"]["images"]
    images = [converted.image(name) for name in names]
    config = converted.model.config.lmm_config
    expanded: list[list[torch.Tensor]] = [[], [], []]
    for ids, labels, seen in zip(record["input_ids"], record["labels"], record["attention_masks"], strict=True):
        times = torch.from_numpy(np.where(ids == -200, config.image_seq_length, 1))
        rows = (np.where(ids == -200, config.image_token_id, ids), labels, seen)
        for column, row in zip(expanded, rows, strict=True):
            column.append(torch.from_numpy(row).repeat_interleave(times))
    input_ids, labels, attention_mask = (torch.stack(column) for column in expanded)
    with torch.no_grad():
        output = converted.model(
            input_ids=input_ids,
            attention_mask=attention_mask.long(),
            labels=labels,
            pixel_values=converted.processor.pixels(images)["pixel_values"],
            grounding_pixel_values=converted.processor.grounding_pixels(images),
            row_image_index=torch.from_numpy(np.repeat(np.arange(len(images)), np.diff(record["offset"]))),
        )
    assert output.lm_loss.item() == pytest.approx(float(record["ce_loss"]), rel=1e-5)
    truths = [torch.from_numpy(record[f"gt_masks_{n}"]).float() for n in range(len(images))]
    parts = output.mask_logits.split([len(truth) for truth in truths])
    bce = dice = 0.0
    for image, logits, truth in zip(images, parts, truths, strict=True):
        full = converted.processor.resize_masks(logits, (image.height, image.width))
        bce += float(losses.mask_bce(full, truth)) * len(truth)
        dice += float(losses.mask_dice(full, truth)) * len(truth)
    num_masks = sum(map(len, truths))
    weighted = (converted.model.config.mask_bce_weight * bce, converted.model.config.mask_dice_weight * dice)
    recorded = (record["mask_bce_loss"], record["mask_dice_loss"])
    for part, expected in zip(weighted, recorded, strict=True):
        assert part / num_masks == pytest.approx(float(expected), rel=1e-5)
