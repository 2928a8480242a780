"""New models: tokenizer, shapes, and encoders that start from published weights."""

import pytest
import torch

from mglmm import grounding
from mglmm.model.build import FEATURE_SCALE, at_resolution, load_backbone, new_config, new_model
from mglmm.model.processing_mglmm import ADDED_TOKENS
from mglmm.schema import GroundedText, Span
from tests.model.tiny import SHAPE, tiny_model, tiny_processor, tiny_tokenizer

LITE0 = {**SHAPE, "backbone": "tf_efficientnet_lite0", "backbone_channels": [24, 40, 112, 320], "feature_width": 1280}


def test_added_tokens_are_single_and_in_the_published_order() -> None:
    tokenizer = tiny_tokenizer()
    ids = tokenizer.convert_tokens_to_ids(list(ADDED_TOKENS))
    assert ids == list(range(ids[0], ids[0] + len(ADDED_TOKENS)))
    assert tokenizer("the car </p> [SEG]", add_special_tokens=False)["input_ids"][-2:] == [ids[6], ids[4]]


@pytest.mark.parametrize(
    "answer",
    [
        GroundedText(text="Here is the red car.", spans=(Span(start=8, end=19, segment_ids=(1,)),)),
        GroundedText(
            text="the man and a hat",
            spans=(Span(start=0, end=7, segment_ids=(1, 2)), Span(start=12, end=17, segment_ids=(3,))),
        ),
        GroundedText(text="There is no cat."),
    ],
)
def test_an_answer_survives_the_tokenizer(answer) -> None:
    processor = tiny_processor()
    raw = grounding.render(answer)
    _, labels = processor.conversation_ids([("Segment the car", raw)])
    assert processor.decode_answer([label for label in labels if label != -100]) == raw


def test_conversation_trains_answers_only() -> None:
    processor = tiny_processor()
    ids, labels = processor.conversation_ids([("the dog", "a cat"), ("the hat", None)])
    assert len(ids) == len(labels)
    trained = [label for label in labels if label != -100]
    assert processor.tokenizer.decode(trained).strip() == "a cat</s>"
    assert ids.count(processor.tokenizer.convert_tokens_to_ids("<image>")) == processor.image_seq_length


def test_published_backbone_reaches_both_encoders(tmp_path) -> None:
    """A state dict in the published layout, with recognisable values."""
    model = new_model(LITE0, tiny_tokenizer())
    tower = model.lmm.model.vision_tower.timm_model.state_dict()
    torch.manual_seed(0)
    published = {f"layer{i}": torch.randn(v.shape) for i, (k, v) in enumerate(tower.items()) if "num_batches" not in k}
    torch.save(published, tmp_path / "lite0.pth")
    projected = model.lmm.model.multi_modal_projector.linear_1.weight.clone()
    load_backbone(model, tmp_path / "lite0.pth")
    first = next(iter(published.values()))
    for encoder in (model.lmm.model.vision_tower.timm_model, model.sam.vision_encoder.backbone.timm_model):
        assert torch.equal(encoder.conv_stem.weight, first)
    scale, _, _, last = list(published.values())[-4:]
    norm = model.lmm.model.vision_tower.timm_model.bn2
    assert torch.equal(norm.running_var, last)
    torch.testing.assert_close(norm.weight, scale * FEATURE_SCALE)
    torch.testing.assert_close(model.lmm.model.multi_modal_projector.linear_1.weight, projected / FEATURE_SCALE)


def test_a_projector_of_features_that_are_not_scaled_begins_as_any_layer() -> None:
    model = new_model(LITE0, tiny_tokenizer())
    spread = model.config.lmm_config.text_config.initializer_range
    assert model.lmm.model.multi_modal_projector.linear_1.weight.std().item() == pytest.approx(spread, rel=0.1)


def test_a_backbone_of_another_architecture_is_refused(tmp_path) -> None:
    torch.save({"a": torch.zeros(3), "b": torch.zeros(4)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="has shape"):
        load_backbone(new_model(LITE0, tiny_tokenizer()), tmp_path / "other.pth")


def test_another_resolution_is_what_building_at_it_gives() -> None:
    model, processor = at_resolution(tiny_model(), tiny_processor(), image_size=128, grounding_size=96)
    built = new_config({**SHAPE, "image_size": 128, "grounding_size": 96}, tiny_tokenizer())
    assert model.config.lmm_config.image_seq_length == built.lmm_config.image_seq_length == processor.image_seq_length
    assert model.config.sam_config.to_dict() == built.sam_config.to_dict()
    features = model.encode_grounding(torch.randn(1, 3, 96, 96))
    logits, _ = model.decode_masks(features, torch.zeros(2, dtype=torch.long), torch.randn(2, 32))
    assert logits.shape == (2, 24, 24)
    assert processor.mask_label_size == 48
