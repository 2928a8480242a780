"""The join of language model and mask decoder, held against the libraries' own models."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoModelForMaskGeneration, AutoProcessor, SamConfig, SamModel

from mglmm.data.collate import Collator, TrainItem
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor, sam
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn
from tests.model import whole
from tests.model.backbones import MASKS, PROMPT, SAM_VIT
from tests.model.tiny import tiny_model, tiny_processor

FLOAT32 = {"atol": 1e-5, "rtol": 1e-4}
"""Two orders of the same float32 sums (other batch shapes choose other kernels) differ by about 1e-6 here."""


@pytest.fixture(scope="module")
def model() -> MGLMMForConditionalGeneration:
    return tiny_model()


@pytest.fixture(scope="module")
def processor() -> MGLMMProcessor:
    return tiny_processor()


def picture(seed: int, size: tuple[int, int] = (48, 80)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8))


def item(seed: int, num_targets: int) -> TrainItem:
    """A picture with `num_targets` boxes, each the target of one phrase of one conversation."""
    segments, spans, text = [], [], ""
    for i in range(num_targets):
        mask = np.zeros((48, 80), bool)
        mask[5 : 20 + i, 10 * i : 10 * i + 20] = True
        segments.append(Segment(id=i + 1, rle=Rle.from_mask(mask), label="car"))
        spans.append(Span(start=len(text), end=len(text) + 7, segment_ids=(i + 1,)))
        text += "the car and "
    turns = (
        Turn(
            task="referring",
            instruction="Segment the car",
            answer=GroundedText(text=text or "no car", spans=tuple(spans)),
        ),
        Turn(task="caption", instruction="Say", answer=GroundedText(text="a blue hat")),
    )
    sample = Sample(id=str(seed), image="x.png", size=(48, 80), segments=tuple(segments), turns=turns)
    return TrainItem(picture(seed), sample, sample.conversations)


def grounding_of(model, processor, images, calls=None):
    def features(indices):
        if calls is not None:
            calls.append(indices)
        return model.encode_grounding(processor.grounding_pixels([images[i] for i in indices]))

    return features


def test_mask_decoder_path_equals_sam_on_a_point() -> None:
    config = SamConfig(
        vision_config=SAM_VIT,
        prompt_encoder_config=PROMPT,
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32},
    )
    torch.manual_seed(0)
    model = SamModel(config).eval()
    pixels = torch.randn(2, 3, 64, 64)
    points = torch.tensor([[[[20.0, 30.0]]], [[[50.0, 10.0]]]])
    labels = torch.ones(2, 1, 1, dtype=torch.int)
    with torch.no_grad():
        expected = model(pixel_values=pixels, input_points=points, input_labels=labels, multimask_output=False)
        sparse, _ = model.prompt_encoder(points, labels, None, None)
        logits, scores = sam.decode(model, sam.encode(model, pixels), torch.arange(2), sparse[:, 0], chunk=1)
    torch.testing.assert_close(logits, expected.pred_masks[:, 0, 0], **FLOAT32)
    torch.testing.assert_close(scores, expected.iou_scores[:, 0, 0], **FLOAT32)


def test_mask_decoder_path_equals_edgetam_on_a_point(model) -> None:
    pixels = torch.randn(2, 3, 64, 64)
    points = torch.tensor([[[[20.0, 30.0]]], [[[50.0, 10.0]]]])
    labels = torch.ones(2, 1, 1, dtype=torch.int)
    with torch.no_grad():
        expected = model.sam(pixel_values=pixels, input_points=points, input_labels=labels, multimask_output=False)
        sparse, _ = model.sam.prompt_encoder(points, labels, None, None)
        logits, _ = sam.decode(model.sam, sam.encode(model.sam, pixels), torch.arange(2), sparse[:, 0], chunk=64)
    torch.testing.assert_close(logits, expected.pred_masks[:, 0, 0], **FLOAT32)


@pytest.mark.parametrize("name", ["sam2", "edgetam", "sam3_tracker"])
def test_positions_that_nothing_reads_are_not_worked_out(name: str) -> None:
    torch.manual_seed(0)
    config, _ = MASKS[name]()
    model = AutoModelForMaskGeneration.from_config(config).eval()
    side = config.prompt_encoder_config.image_size
    pixels = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = sam.encode(model, pixels).tensors()
        positions = model.vision_encoder.neck.position_encoding
        sam.without_positions(model)
        assert model.vision_encoder.neck.position_encoding is not positions
        features = sam.encode(model, pixels).tensors()
    assert features.keys() == expected.keys()
    assert all(torch.equal(features[key], expected[key]) for key in expected)


def similarity_of(model) -> sam.PromptSimilarity:
    """One whose levels count (they begin at zero)."""
    similarity = sam.PromptSimilarity(model.sam)
    for level in similarity.levels:
        torch.nn.init.normal_(level)
    return similarity


def test_prompt_similarity_is_added_to_the_decoders_logits(model) -> None:
    features = model.encode_grounding(torch.randn(2, 3, 64, 64))
    prompts, image_index = torch.randn(3, 1, 32), torch.tensor([0, 1, 1])
    similarity = similarity_of(model)
    plain, scores = sam.decode(model.sam, features, image_index, prompts, 2)
    logits, same_scores = sam.decode(model.sam, features, image_index, prompts, 2, similarity)
    assert len(similarity.levels) == 2
    expected = plain
    weights = [torch.eye(32) / 32**0.5, *similarity.levels]
    for weight, level in zip(weights, (features.image_embeddings, *features.high_resolution), strict=True):
        places = (level[image_index] * (prompts[:, 0] @ weight.T)[:, :, None, None]).sum(1)
        expected = expected + torch.nn.functional.interpolate(places[:, None], plain.shape[-2:], mode="bilinear")[:, 0]
    torch.testing.assert_close(logits, expected, **FLOAT32)
    assert torch.equal(scores, same_scores)


def test_points_are_as_similar_as_the_places_of_the_maps_where_they_lie(model) -> None:
    similarity = similarity_of(model)
    features = model.encode_grounding(torch.randn(2, 3, 64, 64))
    coarse = sam.GroundingFeatures(
        features.image_embeddings, tuple(torch.zeros_like(m) for m in features.high_resolution)
    )
    prompts = torch.randn(5, 32)
    side = features.image_embeddings.shape[-1]
    middles = (torch.arange(side) + 0.5) / side * 2 - 1
    points = torch.stack(torch.meshgrid(middles, middles, indexing="xy"), -1).reshape(1, -1, 2).expand(2, -1, -1)
    found = similarity.at_points(coarse, points, prompts)
    expected = torch.einsum("bchw,vc->bhwv", features.image_embeddings, prompts).flatten(1, 2) / 32**0.5
    torch.testing.assert_close(found, expected, **FLOAT32)
    assert not torch.allclose(similarity.at_points(features, points, prompts), expected)


def test_a_model_saved_without_levels_begins_with_the_image_embedding_alone(model, tmp_path) -> None:
    model = copy.deepcopy(model)
    model.config.prompt_similarity, model.prompt_similarity = True, None
    model.save_pretrained(tmp_path)
    similarity = MGLMMForConditionalGeneration.from_pretrained(tmp_path).prompt_similarity
    assert len(similarity.levels) == 2 and all(not level.any() for level in similarity.levels)


def test_logits_equal_the_plain_language_model(model, processor) -> None:
    inputs = processor.prompt([picture(0), picture(1)], [[("Segment the car", None)], [("Say", None)]])
    with torch.no_grad():
        ours = model(**inputs).logits
        plain = model.lmm(
            inputs["input_ids"], pixel_values=inputs["pixel_values"], attention_mask=inputs["attention_mask"]
        )
    keep = inputs["attention_mask"].bool()
    torch.testing.assert_close(ours[keep], plain.logits[keep], **FLOAT32)


def test_rows_that_share_an_image_equal_rows_that_own_it(model, processor) -> None:
    batch = Collator(processor)([item(0, 2), item(1, 1)])
    shared = model(**batch)
    index = batch["row_image_index"]
    owned = model(
        **{
            **batch,
            "pixel_values": batch["pixel_values"][index],
            "grounding_pixel_values": batch["grounding_pixel_values"][index],
            "row_image_index": None,
        }
    )
    torch.testing.assert_close(shared.loss, owned.loss, **FLOAT32)
    torch.testing.assert_close(shared.mask_logits, owned.mask_logits, **FLOAT32)


def test_masks_of_a_batch_equal_those_one_by_one(model, processor) -> None:
    items = [item(0, 2), item(1, 0), item(2, 3)]
    together = model(**Collator(processor)(items))
    alone = [model(**Collator(processor)([one])) for one in items]
    torch.testing.assert_close(together.mask_logits, torch.cat([a.mask_logits for a in alone]), **FLOAT32)


def test_packed_conversations_equal_looped_ones(model, processor) -> None:
    items = [item(0, 2), item(1, 0), item(2, 3)]
    looped = Collator(processor)(items)
    packed = Collator(processor, packed=True)(items)
    assert len(packed["input_ids"]) == 3 and len(looped["input_ids"]) == 6
    assert (packed["input_ids"] == model.config.lmm_config.image_token_id).sum() == 3 * processor.image_seq_length
    expected, output = model(**looped), model(**packed)
    torch.testing.assert_close(output.mask_logits, expected.mask_logits, **FLOAT32)
    torch.testing.assert_close(output.loss, expected.loss, **FLOAT32)


def test_images_beyond_the_grounded_share_train_text_alone(model, processor) -> None:
    items = [item(0, 2), item(2, 3)]
    batch = Collator(processor, packed=True, grounded_share=0.5)(items)
    assert len(batch["grounding_pixel_values"]) == 1 and len(batch["mask_labels"]) == 2
    output = model(**batch)
    alone = model(**Collator(processor, packed=True)(items[:1]))
    torch.testing.assert_close(output.mask_logits, alone.mask_logits, **FLOAT32)
    whole = model(**Collator(processor, packed=True)(items))
    torch.testing.assert_close(output.lm_loss, whole.lm_loss, **FLOAT32)
    batch = Collator(processor, packed=True, grounded_share=0.0)(items)
    assert "grounding_pixel_values" not in batch and "mask_labels" not in batch
    output = model(**batch)
    torch.testing.assert_close(output.loss, model.config.lm_loss_weight * whole.lm_loss, **FLOAT32)
    assert output.mask_logits is None


def test_words_of_image_tokens_are_those_of_the_segments_at_their_place(processor) -> None:
    """The image's 2 x 2 tokens: one phrase over the left half, another over the lower right quarter."""
    left, lower_right = np.zeros((48, 80), bool), np.zeros((48, 80), bool)
    left[:, :40] = True
    lower_right[24:, 40:] = True
    rles = [Rle.from_mask(mask).to_coco() for mask in (left, lower_right)]
    index, share = processor.word_targets(["red car", "dog"], rles)
    red_car, dog = (processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (" red car", " dog"))
    found = {(int(t), int(w)): float(s) for (t, w), s in zip(index.T, share, strict=True)}
    expected = {(t, w): red_car.count(w) / len(red_car) for t in (0, 2) for w in red_car}
    expected |= {(3, w): dog.count(w) / len(dog) for w in dog}
    assert found == pytest.approx(expected)


def test_what_covers_a_quarter_of_a_token_speaks_half_as_loud_as_what_covers_it_all(processor) -> None:
    whole, quarter = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    whole[:32, :32] = True
    quarter[:16, :16] = True
    index, share = processor.word_targets(["car", "dog"], [Rle.from_mask(m).to_coco() for m in (whole, quarter)])
    dog = processor.tokenizer(" dog", add_special_tokens=False)["input_ids"]
    assert set(index[0].tolist()) == {0}
    spoken = sum(float(s) for (_, w), s in zip(index.T, share, strict=True) if w in dog)
    shared = set(dog) & set(processor.tokenizer(" car", add_special_tokens=False)["input_ids"])
    assert not shared and spoken == pytest.approx(1 / 3)


def test_words_of_points_are_those_of_the_segments_at_their_place(processor) -> None:
    """Points of a wide image; half of them are drawn to its segments, of which one is a single pixel."""
    left, speck = np.zeros((48, 80), bool), np.zeros((48, 80), bool)
    left[:, :40] = True
    speck[47, 79] = True
    rles = [Rle.from_mask(mask).to_coco() for mask in (left, speck)]
    points, index, share = processor.point_targets(["red car", "dog"], rles, (48, 80), seed=1)
    words = {
        text: set(processor.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (" red car", " dog")
    }
    spoken = [set(index[1][index[0] == n].tolist()) for n in range(len(points))]
    for (x, y), found in zip(points.tolist(), spoken, strict=True):
        there = " dog" if x > 0.97 and y > 0.97 else " red car" if x < 0 else None
        assert found == words.get(there, set())
    assert sum(found == words[" dog"] for found in spoken) > len(points) / 8
    for n, found in enumerate(spoken):
        assert float(share[index[0] == n].sum()) == pytest.approx(1.0 if found else 0.0)
    again = processor.point_targets(["red car", "dog"], rles, (48, 80), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(again, (points, index, share), strict=True))


def test_images_without_text_take_the_point_loss_alone(model, processor) -> None:
    model = copy.deepcopy(model)
    model.prompt_similarity = similarity_of(model)
    items = [item(0, 2), item(1, 3)]
    batch = Collator(processor, points=True)([i._replace(conversations=[]) for i in items])
    assert set(batch) == {"grounding_pixel_values", "points", "point_index", "point_share"}
    alone = model(**batch)
    together = model(**Collator(processor, packed=True, points=True)(items))
    assert alone.lm_loss is None and alone.mask_logits is None and alone.point_loss > 0
    torch.testing.assert_close(together.point_loss, alone.point_loss, **FLOAT32)
    fewer = model(**Collator(processor, packed=True, points=True, grounded_share=0.5)(items))
    assert not torch.allclose(fewer.point_loss, alone.point_loss)
    model.prompt_similarity = None
    with pytest.raises(ValueError, match="prompt_similarity"):
        model(**batch)


def test_images_without_text_take_the_word_loss_alone(model, processor) -> None:
    items = [item(0, 2), item(1, 3)]
    batch = Collator(processor, words=True)([i._replace(conversations=[]) for i in items])
    assert set(batch) == {"pixel_values", "word_index", "word_share"}
    alone = model(**batch)
    together = model(**Collator(processor, packed=True, words=True)(items))
    assert alone.lm_loss is None and alone.mask_logits is None and alone.word_loss > 0
    torch.testing.assert_close(together.word_loss, alone.word_loss, **FLOAT32)
    without = model(**Collator(processor, packed=True)(items))
    torch.testing.assert_close(together.lm_loss, without.lm_loss, **FLOAT32)


def test_no_masks_at_all_gives_a_finite_loss(model, processor) -> None:
    output = model(**Collator(processor)([item(1, 0)]))
    assert torch.isfinite(output.loss) and output.mask_bce == 0


def test_misaligned_masks_are_refused_with_both_numbers(model, processor) -> None:
    batch = Collator(processor)([item(0, 3)])
    with pytest.raises(ValueError, match=r"3 \[SEG\] in the text but 2 masks"):
        model(**{**batch, "mask_labels": batch["mask_labels"][:2]})


def test_misaligned_image_placeholders_are_refused(model, processor) -> None:
    batch = Collator(processor)([item(0, 1)])
    ids = batch["input_ids"].clone()
    ids[0][(ids[0] == model.config.lmm_config.image_token_id).nonzero()[0]] = 5
    with pytest.raises(ValueError, match="image placeholders"):
        model(**{**batch, "input_ids": ids})


PROMPTS = [[("Segment the car", None)], [("Say", None)], [("a man wears a blue hat", None)]]


def generate(model, processor, images, prompts, **kwargs):
    calls: list[list[int]] = []
    inputs = processor.prompt(images, prompts)
    output = whole.answers(
        model, **inputs, grounding=grounding_of(model, processor, images, calls), max_new_tokens=24, **kwargs
    )
    return inputs, output, calls


@pytest.fixture(scope="module")
def talkative(processor) -> MGLMMForConditionalGeneration:
    """A model with a large random head, of the first seed whose constrained answers hold a `[SEG]` each."""
    model = tiny_model(1)
    head = model.get_output_embeddings().weight
    for seed in range(200):
        torch.manual_seed(seed)
        with torch.no_grad():
            head.normal_(0, 0.5)
            head[[model.config.phrase_start_token_id, model.config.phrase_end_token_id]] *= 3
        _, output, _ = generate(model, processor, [picture(0), picture(1, (90, 30)), picture(2, (64, 64))], PROMPTS)
        if all(len(masks) for masks in output.mask_logits):
            return model
    raise AssertionError("no seed makes every answer hold a [SEG]")


def test_generated_batch_equals_one_by_one(talkative, processor) -> None:
    images = [picture(0), picture(1, (90, 30)), picture(2, (64, 64))]
    _, together, calls = generate(talkative, processor, images, PROMPTS)
    assert sum(len(m) for m in together.mask_logits) > 0, "the test needs an answer with a [SEG]"
    assert len(calls) == 1
    pad = processor.tokenizer.pad_token_id
    for row in range(3):
        _, alone, _ = generate(talkative, processor, images[row : row + 1], PROMPTS[row : row + 1])
        length = alone.sequences.shape[1]
        assert together.sequences[row, :length].tolist() == alone.sequences[0].tolist()
        assert (together.sequences[row, length:] == pad).all()
        torch.testing.assert_close(together.mask_logits[row], alone.mask_logits[0], atol=1e-4, rtol=1e-3)


def test_captured_prompts_equal_a_full_forward_pass(talkative, processor) -> None:
    """Cached generation against teacher forcing: the same tokens are the best ones, and each `[SEG]` has the same
    embedding."""
    images = [picture(0)]
    inputs, output, _ = generate(talkative, processor, images, PROMPTS[:1], constrain_markup=False)
    whole = torch.cat([inputs["input_ids"], output.sequences], dim=1)
    with torch.no_grad():
        forced = talkative(input_ids=whole, pixel_values=inputs["pixel_values"])
        hidden = talkative.lmm.model(input_ids=whole, pixel_values=inputs["pixel_values"]).last_hidden_state
    start = inputs["input_ids"].shape[1]
    assert forced.logits[0, start - 1 : -1].argmax(-1).tolist() == output.sequences[0].tolist()

    inputs, output, _ = generate(talkative, processor, images, PROMPTS[:1])
    whole = torch.cat([inputs["input_ids"], output.sequences], dim=1)
    with torch.no_grad():
        hidden = talkative.lmm.model(input_ids=whole, pixel_values=inputs["pixel_values"]).last_hidden_state
        positions = (whole[0] == talkative.config.seg_token_id).nonzero().flatten()
        expected = talkative.seg_projector(hidden[0, positions - 1])
    assert len(expected) == len(output.prompts[0]) > 0
    torch.testing.assert_close(output.prompts[0], expected, **FLOAT32)


def test_no_seg_never_runs_the_grounding_encoder(talkative, processor) -> None:
    quiet = tiny_model(1)
    quiet.load_state_dict(talkative.state_dict())
    with torch.no_grad():
        head = quiet.get_output_embeddings()
        head.weight[quiet.config.phrase_start_token_id] = 0
        head.bias = torch.nn.Parameter(torch.zeros(head.out_features))
        head.bias[quiet.config.phrase_start_token_id] = -1e4
    _, output, calls = generate(quiet, processor, [picture(0)], PROMPTS[:1])
    assert calls == []
    assert len(output.mask_logits[0]) == 0


@pytest.mark.parametrize("limit", range(1, 12))
def test_constrained_markup_is_always_well_formed(talkative, processor, limit) -> None:
    from mglmm.model.processing_mglmm import grounded_answer

    images = [picture(i) for i in range(3)]
    inputs = processor.prompt(images, PROMPTS)
    output = whole.answers(
        talkative, **inputs, grounding=grounding_of(talkative, processor, images), max_new_tokens=limit
    )
    for ids, masks in zip(output.sequences.tolist(), output.mask_logits, strict=True):
        raw = processor.decode_answer(ids)
        parsed = grounded_answer(raw)
        assert parsed.num_invalid == 0, raw
        assert len(parsed.text.segment_ids) == len(masks)


def test_a_pixel_belongs_to_a_mask_above_the_saved_threshold(tmp_path) -> None:
    logits = torch.linspace(-2, 2, 16 * 16).reshape(1, 16, 16)
    processor = tiny_processor()
    processor.mask_threshold = -1.0
    processor.save_pretrained(tmp_path)
    loaded = MGLMMProcessor.from_pretrained(tmp_path)
    assert np.array_equal(list(loaded.masks(logits, (16, 16))), (logits > -1.0).numpy())


@pytest.mark.parametrize("size", [(30, 50), (64, 40), (300, 200)])
def test_masks_are_brought_to_size_a_few_at_a_time(processor, size, monkeypatch) -> None:
    """Bit for bit as all at once; no more pixels at once than allowed, or one mask."""
    logits = torch.randn(7, 16, 16, generator=torch.Generator().manual_seed(1))
    together = processor.resize_masks(logits, size) > processor.mask_threshold
    counts: list[int] = []
    resize = MGLMMProcessor.resize_masks

    def counting(self: MGLMMProcessor, part: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        counts.append(len(part))
        return resize(self, part, size)

    monkeypatch.setattr(MGLMMProcessor, "resize_masks", counting)
    monkeypatch.setattr("mglmm.model.processing_mglmm._MASK_PIXELS", 3 * max(64 * 64, processor.frame_side**2))
    assert np.array_equal(list(processor.masks(logits, size)), together.numpy())
    assert counts == ([3, 3, 1] if size != (300, 200) else [1] * 7)
    assert list(processor.masks(logits[:0], size)) == []


@pytest.mark.parametrize("size", [(100, 100), (100, 60), (33, 120)])
def test_masks_of_a_padded_frame_are_brought_to_size_as_sam_does(size) -> None:
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    sam = SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    processor = tiny_processor()
    processor.grounding_image_processor = sam
    logits = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(1))
    expected = sam.post_process_masks([logits[None]], [size], [processor.frame_size(size)], binarize=False)[0][0]
    torch.testing.assert_close(processor.resize_masks(logits, size), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_precision_is_finite(processor, dtype) -> None:
    model = tiny_model().to(dtype)
    batch = Collator(processor)([item(0, 2)])
    for key in ("pixel_values", "grounding_pixel_values"):
        batch[key] = batch[key].to(dtype)
    output = model(**batch)
    assert torch.isfinite(output.loss) and torch.isfinite(output.mask_logits).all()


def test_save_and_load(model, processor, tmp_path) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    processor_again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, MGLMMForConditionalGeneration)
    assert isinstance(processor_again, MGLMMProcessor)
    assert again.generation_config.eos_token_id == processor.tokenizer.eos_token_id
    batch = Collator(processor)([item(0, 2)])
    batch_again = Collator(processor_again)([item(0, 2)])
    for key, value in batch.items():
        assert torch.equal(value, batch_again[key]), key
    with torch.no_grad():
        assert torch.equal(model(**batch).loss, again(**batch_again).loss)


def test_batch_norms_keep_their_statistics_in_training(processor) -> None:
    model = tiny_model().train()
    before = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    assert before
    model(**Collator(processor)([item(0, 2)])).loss.backward()
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_answers_as_the_cpu_does(talkative, processor, dtype) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images = [picture(0), picture(1, (90, 30))]
    on_cuda = tiny_model(1)
    on_cuda.load_state_dict(talkative.state_dict())
    on_cuda = on_cuda.to("cuda", dtype)
    inputs = processor.prompt(images, PROMPTS[:2]).to("cuda", dtype=dtype)

    def grounding_features(indices):
        pixels = processor.grounding_pixels([images[i] for i in indices])
        return on_cuda.encode_grounding(pixels.to("cuda"))

    output = whole.answers(on_cuda, **inputs, grounding=grounding_features, max_new_tokens=24)
    assert all(torch.isfinite(masks).all() for masks in output.mask_logits)
    if dtype == torch.float32:
        _, expected, _ = generate(talkative, processor, images, PROMPTS[:2])
        assert output.sequences.tolist() == expected.sequences.tolist()
