"""What makes training fast or small changes no answer: cached features, checkpointing, few bits; and what is logged."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from mglmm.config import load_recipe
from mglmm.data.collate import Collator, TrainItem
from mglmm.data.features import KEY_BYTES, FeatureStore, picture_key
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor, sam
from mglmm.model.build import new_model, new_processor
from mglmm.model.join import build
from mglmm.schema import UserError
from mglmm.train import TrainRecipe, train
from mglmm.train.frozen import fingerprint, open_store
from mglmm.train.selection import freeze_all_but
from mglmm.train.speed import Speed, Work
from tests.model import backbones
from tests.model.tiny import SHAPE, tiny_model, tiny_processor, tiny_tokenizer
from tests.test_train import LANGUAGE, base, boxes, losses, same, weights, write_recipe

__all__ = ["base"]

FROZEN = ["lmm", "seg_projector", r"sam\.mask_decoder\.(?!conv_s).*"]
"""All but what the features of the grounding encoder come through."""


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# cached features


@pytest.fixture
def count_images(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the grounding encoder saw."""
    seen: list[int] = []
    encode = MGLMMForConditionalGeneration.encode_grounding

    def counting(self: Any, pixels: torch.Tensor) -> sam.GroundingFeatures:
        seen.append(len(pixels) * (not pixels.is_meta))
        return encode(self, pixels)

    monkeypatch.setattr(MGLMMForConditionalGeneration, "encode_grounding", counting)
    return seen


def test_cached_features_change_no_loss_beyond_float16(base: Path, tmp_path: Path, count_images: list[int]) -> None:
    """The second run, whose encoder never runs, is the first one bit for bit, and both are that without a cache."""
    results = {}
    for name, cache in (("without", None), ("first", tmp_path / "cache"), ("second", tmp_path / "cache")):
        (tmp_path / name).mkdir()
        count_images.clear()
        cached = None if cache is None else str(cache)
        model = train(write_recipe(base, tmp_path / name, trainable=FROZEN, cache_grounding=cached))
        results[name] = (losses(model.parent), weights(model), sum(count_images))
    without, first, second = (images for _, _, images in results.values())
    assert without == 8 and second == 0
    assert 4 <= first < 8  # a batch is made while the one before is trained on, so an image may be met again too soon
    assert results["first"][0] == results["second"][0]
    assert same(results["first"][1], results["second"][1]) == set(results["first"][1])
    for step, values in results["without"][0].items():
        assert results["first"][0][step] == pytest.approx(values, rel=1e-4)


def test_half_known_batches_keep_their_order(base: Path, tmp_path: Path) -> None:
    """Features of half the images are removed: what is made anew falls into its own place."""
    model = train(write_recipe(base, tmp_path, trainable=FROZEN, cache_grounding=str(tmp_path / "cache")))
    before = losses(model.parent)
    for path in sorted((tmp_path / "cache").rglob("*.safetensors"))[::2]:
        path.unlink()
    again = tmp_path / "again"
    again.mkdir()
    train(write_recipe(base, again, trainable=FROZEN, cache_grounding=str(tmp_path / "cache")))
    for step, values in before.items():
        assert losses(again / "run")[step] == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainable": [".*"]}, r"cache_grounding: sam\.\S+ is trained"),
        ({"trainable": ["seg_projector", r"sam\.mask_decoder"]}, r"sam\.mask_decoder\.conv_s0\.weight is trained"),
        (
            {"trainable": ["seg_projector"], "lora": {"r": 2, "target_modules": r"sam\.mask_decoder\.conv_s0"}},
            r"sam\.mask_decoder\.conv_s0\S+ is trained",
        ),
    ],
)
def test_a_trained_encoder_is_not_cached(base: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(write_recipe(base, tmp_path, cache_grounding=str(tmp_path / "cache"), **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cache_grounding": "x", "data": [{"source": "photos", "sets": ["a"]}]}, "augment changes its images"),
        ({"cache_grounding": "x", "data": [{"source": "world"}]}, "give it a cap"),
        ({"quantize": "bnb-4bit"}, "quantize needs lora"),
        ({"ema_decay": 0.9, "trainer": {"max_steps": 1, "fsdp": True}}, "ema_decay cannot be had with trainer.fsdp"),
        ({"loss": {"points": 1}, "trainer": {"max_steps": 1, "deepspeed": {}}}, None),
        ({"loss": {"points": 1}, "trainer": {"max_steps": 1, "fsdp": True}}, "loss.points cannot be had"),
        ({"balanced": True, "grounded_share": 0.5}, "balanced needs grounded_share: 1"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str | None) -> None:
    recipe = {"output": "x", "model": "default", "data": [{"source": "world", "cap": 9}], "trainer": {"max_steps": 1}}
    if message is None:
        assert not TrainRecipe.model_validate({**recipe, **changes}).sharded
        return
    with pytest.raises(ValidationError, match=message):
        TrainRecipe.model_validate({**recipe, **changes})


def test_sharding_that_does_not_happen_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises((UserError, ValueError), match="fsdp"):
        train(write_recipe(base, tmp_path, trainer={"fsdp": True}))


keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@settings(max_examples=20)
@given(keys, st.lists(st.floats(-6e4, 6e4, width=16), min_size=1, max_size=9))
def test_the_store_gives_back_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, key: bytes, values: list[float]
) -> None:
    store = FeatureStore(tmp_path_factory.mktemp("store"), "encoder")
    assert store.load(key) is None
    tensors = {"a": torch.tensor(values).half(), "b.0": torch.ones(2, 3).half()}
    store.save(key, tensors)
    found = store.load(key)
    assert found is not None and set(found) == {"a", "b.0"}
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert [path.suffix for path in store.path(key).parent.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("damage", [lambda b: b[:50], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_a_damaged_file_counts_as_not_there(tmp_path: Path, damage: Any) -> None:
    store, key = FeatureStore(tmp_path, "encoder"), bytes(KEY_BYTES)
    store.save(key, {"a": torch.ones(64).half()})
    store.path(key).write_bytes(damage(store.path(key).read_bytes()))
    with pytest.warns(UserWarning, match="damaged; its features are made anew"):
        assert store.load(key) is None
    store.save(key, {"a": torch.ones(64).half()})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.load(key) is not None


def test_what_does_not_fit_into_float16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exceed float16"):
        FeatureStore(tmp_path, "encoder").save(bytes(KEY_BYTES), {"a": torch.tensor([1e6]).half()})
    assert not list(tmp_path.rglob("*.*"))


def test_pictures_and_encoders_have_keys_of_their_own() -> None:
    black, wide = Image.new("RGB", (4, 6)), Image.new("RGB", (6, 4))
    other = black.copy()
    other.putpixel((1, 1), (0, 0, 1))
    assert len({picture_key(image) for image in (black, wide, other)}) == 3
    assert picture_key(black) == picture_key(black.copy())
    weight = {"a": torch.zeros(2)}
    found = {fingerprint(weight, "x"), fingerprint(weight, "y"), fingerprint({"a": torch.tensor([0.0, 1e-9])}, "x")}
    assert len(found | {fingerprint({"b": torch.zeros(2)}, "x"), fingerprint({"a": torch.zeros(2).half()}, "x")}) == 5


def test_an_encoder_of_the_same_weights_and_other_settings_has_a_key_of_its_own(base: Path, tmp_path: Path) -> None:
    model = MGLMMForConditionalGeneration.from_pretrained(base / "model")
    processor = MGLMMProcessor.from_pretrained(base / "model")
    freeze_all_but(model, FROZEN)
    recipe = load_recipe(write_recipe(base, tmp_path, cache_grounding=str(tmp_path / "cache")), TrainRecipe)

    def place() -> Path:
        store = open_store(recipe, model, processor)
        assert store is not None
        return store.path(bytes(KEY_BYTES))

    before, vision = place(), model.config.sam_config.vision_config
    vision.dtype = torch.bfloat16
    assert place() == before
    vision.layer_norm_eps = 2 * vision.layer_norm_eps
    assert place() != before


@pytest.mark.parametrize("kind", sorted(sam.FAMILIES))
def test_features_come_through_the_named_weights_alone(kind: str, tmp_path: Path) -> None:
    """So a cache that knows these weights knows all that moves the features; and each of them does take part."""
    lmm, mask_model = (str(backbones.save(name, tmp_path / name)) for name in ("llava", kind))
    model = MGLMMForConditionalGeneration.from_pretrained(build(lmm, mask_model, tmp_path / "model"))
    parts = sam.family_of(model.config.sam_config).encoder
    side = model.config.sam_config.prompt_encoder_config.image_size
    pixels = torch.randn(1, 3, side, side)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(f"{name}.".startswith(f"sam.{part}.") for part in parts))
    frozen = model.encode_grounding(pixels).tensors()
    assert not any(tensor.requires_grad for tensor in frozen.values())
    for part in parts:
        if kind == "sam3_tracker" and part == "no_memory_embedding":
            continue  # transformers adds it to a map that is not used
        before = model.get_parameter(f"sam.{part}") if part == "no_memory_embedding" else None
        found = [before] if before is not None else list(model.get_submodule(f"sam.{part}").parameters())
        for parameter in found:
            parameter.requires_grad_(True)
        assert any(tensor.requires_grad for tensor in model.encode_grounding(pixels).tensors().values())
        for parameter in found:
            parameter.requires_grad_(False)


def test_features_are_put_together_again() -> None:
    features = sam.GroundingFeatures(torch.ones(1), tuple(torch.full((1,), float(k)) for k in range(12)), ())
    again = sam.GroundingFeatures.from_tensors(features.tensors())
    assert [int(level) for level in again.high_resolution] == list(range(12)) and again.early == ()


# memory


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("joined")
    lmm, mask_model = (str(backbones.save(name, root / name)) for name in ("llava", "sam"))
    return build(lmm, mask_model, root / "model")


def gradients(folder: Path, checkpointing: bool) -> tuple[dict[str, torch.Tensor], int]:
    """The gradients of one batch, and the bytes kept for the backward pass."""
    model = MGLMMForConditionalGeneration.from_pretrained(folder).train()
    if checkpointing:
        model.gradient_checkpointing_enable()
    image, sample = boxes("s0", 0)
    batch = Collator(MGLMMProcessor.from_pretrained(folder))([TrainItem(image, sample, sample.conversations[:1])])
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(**batch).loss
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return found, sum(size for place, size in kept.items() if place not in parameters)


def test_checkpointing_keeps_less_and_changes_no_gradient(joined: Path) -> None:
    """Through the join: in the language model, in its vision tower and in the grounding encoder."""
    plain, kept = gradients(joined, checkpointing=False)
    recomputed, kept_less = gradients(joined, checkpointing=True)
    assert set(plain) == set(recomputed)
    for part in ("lmm.model.language_model.layers", "lmm.model.vision_tower", "sam.vision_encoder.layers"):
        assert any(name.startswith(part) for name in plain)
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=1e-4, atol=1e-7)
    assert kept_less < 0.7 * kept


@pytest.mark.parametrize("settings", [{"bf16": True}, {"activation_checkpointing": True}])
def test_a_run_with_less_precision_or_memory_has_nearly_the_same_losses(
    base: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    results = []
    for name, more in (("plain", {}), ("less", settings)):
        (tmp_path / name).mkdir()
        results.append(losses(train(write_recipe(base, tmp_path / name, trainer=more)).parent))
    tolerance = 0.02 if "bf16" in settings else 1e-5
    for step, values in results[0].items():
        assert results[1][step] == pytest.approx(values, rel=tolerance)


def test_what_is_trained_is_held_in_float32_beside_bfloat16(base: Path, tmp_path: Path) -> None:
    """An update of a thousandth of a weight, which bfloat16 would round away, is kept."""
    changes: dict[str, Any] = {
        "dtype": "bfloat16",
        "lora": {"r": 4, "target_modules": LANGUAGE},
        "trainable": ["seg_projector", r"sam\.mask_decoder"],
        "trainer": {"bf16": True, "learning_rate": 1e-5},
    }
    model = train(write_recipe(base, tmp_path, **changes))
    after = load_file(model / "model.safetensors")
    before = weights(base / "model")
    start, end = before["seg_projector.0.weight"].bfloat16().float(), after["seg_projector.0.weight"]
    moved = (end - start).abs()
    assert 0 < moved.max() < 1e-4 and (moved > 0).float().mean() > 0.5


@pytest.fixture(scope="module")
def wide(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose widths are multiples of 64, as 4 bits need them on some processors."""
    folder = tmp_path_factory.mktemp("wide")
    shape = {**SHAPE, "text": {**SHAPE["text"], "hidden_size": 64, "intermediate_size": 128}}
    torch.manual_seed(0)
    new_model(shape, tiny_tokenizer()).save_pretrained(folder)
    new_processor(shape, tiny_tokenizer()).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("bits", "tolerance"), [("bnb-8bit", 0.03), ("bnb-4bit", 0.1)])
def test_qlora_trains_adapters_on_few_bits_and_gives_back_a_whole_model(
    base: Path, wide: Path, tmp_path: Path, bits: str, tolerance: float
) -> None:
    pytest.importorskip("bitsandbytes")
    changes: dict[str, Any] = {
        "model": str(wide),
        "lora": {"r": 4, "lora_alpha": 8, "target_modules": LANGUAGE},
        "trainable": ["seg_projector"],
        "trainer": {"max_steps": 6, "learning_rate": 1e-2, "save_strategy": "steps", "save_steps": 3},
    }
    model = train(write_recipe(base, tmp_path, quantize=bits, **changes))
    found = list(losses(model.parent).values())
    assert found[-1][0] < found[0][0]
    (tmp_path / "whole").mkdir()
    whole = list(losses(train(write_recipe(base, tmp_path / "whole", **changes)).parent).values())
    assert found[0] == pytest.approx(whole[0], rel=tolerance)  # what few bits of the frozen weights change
    assert found != whole
    before, after = weights(wide), weights(model)
    assert all(value.dtype == torch.float32 for value in after.values() if value.is_floating_point())
    moved = set(before) - same(before, after)
    assert {".".join(name.split(".")[:3]) for name in moved if name.startswith("lmm")} == {"lmm.model.language_model"}
    assert all(name.startswith("seg_projector") or name.endswith(("q_proj.weight", "v_proj.weight")) for name in moved)


# what is logged


def test_the_work_of_a_step_is_what_torch_counts() -> None:
    """All weights trained; torch's own count of forward and backward, attention and all, is the judge."""
    model, processor = tiny_model(), tiny_processor()
    image, sample = boxes("s0", 0)
    batch = Collator(processor, packed=True)([TrainItem(image, sample, sample.conversations)] * 2)
    speed = Speed(Work.of(model, processor), torch.device("cpu"))
    speed.start(0)
    speed.add(batch, 2)
    figures = speed.figures(1, 2)
    counted = figures["tflops_per_s"] * 2 / figures["samples_per_s"]
    with FlopCounterMode(display=False) as counter:
        model(**batch).loss.backward()
    assert counted * 1e12 == pytest.approx(counter.get_total_flops(), rel=0.25)


def test_frozen_weights_and_cached_features_cost_less() -> None:
    model, processor = tiny_model(), tiny_processor()
    image, grounded, token, mask = Work.of(model, processor).flops
    freeze_all_but(model, ["seg_projector"])
    less = Work.of(model, processor).flops
    assert less[:2] == (image / 3, grounded / 3)
    assert less[2] == pytest.approx(token * 2 / 3)
    assert mask * 2 / 3 < less[3] < mask
    assert Work.of(model, processor, encoder_runs=False).flops[1] == 0


def test_the_log_says_how_fast_a_run_is(base: Path, tmp_path: Path) -> None:
    found = [r for r in records(train(write_recipe(base, tmp_path, packed=True)).parent) if "loss" in r]
    assert all(0 <= record["data_wait_share"] <= 1 for record in found)
    assert all(record["tflops_per_s"] > 0 and record["samples_per_s"] > 0 for record in found)
    assert all(0.05 < record["peak_memory_gib"] < 64 for record in found)
    assert "mfu" not in found[0]  # the peak of this processor is not known


def test_packed_rows_count_their_tokens_without_padding() -> None:
    image, sample = boxes("s0", 0)
    short = TrainItem(image, sample, sample.conversations[:1])
    long = TrainItem(image, sample, sample.conversations)
    for packed in (True, False):
        speeds = []
        for items in ([short], [long], [short, long]):
            speed = Speed(Work((0.0, 0.0, 1e12, 0.0)), torch.device("cpu"))
            speed.add(Collator(tiny_processor(), packed=packed)(items), 1)
            figures = speed.figures(1, 1)
            speeds.append(figures["tflops_per_s"] / figures["samples_per_s"])
        assert speeds[2] == pytest.approx(speeds[0] + speeds[1])
        assert np.isclose(speeds[0] % 1, 0, atol=1e-6) or np.isclose(speeds[0] % 1, 1, atol=1e-6)
