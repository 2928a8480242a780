"""Cached features of a frozen grounding encoder: they change no loss, and stand for one encoder and one picture."""

import json
import os
import stat
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mglmm.config import load_recipe
from mglmm.data.features import ABANDONED_S, FeatureStore
from mglmm.images import KEY_BYTES, picture_key
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor, sam
from mglmm.model.join import build
from mglmm.schema import UserError
from mglmm.train import TrainRecipe, train
from mglmm.train.frozen import fingerprint, open_store
from mglmm.train.selection import freeze_all_but
from mglmm.train.speed import Work
from tests.model import backbones
from tests.test_train import base, losses, same, weights, write_recipe

__all__ = ["base"]

FROZEN = ["lmm", "seg_projector", r"sam\.mask_decoder\.(?!conv_s).*"]
"""All but what the features of the grounding encoder come through."""


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


def test_cached_features_change_no_loss_beyond_float16(
    base: Path, tmp_path: Path, count_images: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run, whose encoder never runs, is the first one bit for bit, and both are that without a cache."""
    monkeypatch.setattr(Work, "of", lambda *_: Work((0.0, 1e12, 0.0, 0.0)))
    results = {}
    for name, cache in (("without", None), ("first", tmp_path / "cache"), ("second", tmp_path / "cache")):
        (tmp_path / name).mkdir()
        count_images.clear()
        cached = None if cache is None else str(cache)
        model = train(write_recipe(base, tmp_path / name, trainable=FROZEN, cache_grounding=cached))
        results[name] = (losses(model.parent), weights(model), sum(count_images))
        logged = [json.loads(line) for line in (model.parent / "log.jsonl").read_text().splitlines()]
        encoded = [2 * r["tflops_per_s"] / r["samples_per_s"] for r in logged if "loss" in r]  # two images a step
        assert sum(encoded) == pytest.approx(sum(count_images))
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


def test_a_file_that_cannot_be_read_counts_as_not_there(tmp_path: Path) -> None:
    store, key = FeatureStore(tmp_path, "encoder"), bytes(KEY_BYTES)
    store.path(key).mkdir(parents=True)
    with pytest.warns(UserWarning, match="made anew"):
        assert store.load(key) is None


def test_others_may_read_what_one_has_written(tmp_path: Path) -> None:
    store, key = FeatureStore(tmp_path, "encoder"), bytes(KEY_BYTES)
    before = os.umask(0o027)
    try:
        store.save(key, {"a": torch.ones(1).half()})
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path(key).stat().st_mode) == 0o640


def test_what_a_kill_has_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, "encoder")
    folder = store.path(bytes(KEY_BYTES)).parent
    folder.mkdir(parents=True)
    for name, age in (("old", 2 * ABANDONED_S), ("new", 0)):
        (folder / f"{name}.partial").touch()
        os.utime(folder / f"{name}.partial", (time.time() - age,) * 2)
    store.sweep()
    assert [path.name for path in folder.iterdir()] == ["new.partial"]


def test_what_is_wrong_with_the_cache_or_the_trainer_is_told_before_a_model_is_loaded(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mglmm.train.run.load_model", lambda recipe: pytest.fail("the model is loaded"))
    (tmp_path / "file").touch()
    recipe = write_recipe(base, tmp_path)
    with pytest.raises(UserError, match=r"cache_grounding: .*file/cache: cannot be written"):
        train(recipe, [f"cache_grounding={tmp_path}/file/cache"])
    with pytest.raises(UserError, match="cache_grounding: .*at least 1 character"):
        train(recipe, ["cache_grounding=''"])
    with pytest.raises(UserError, match="no setting of TrainingArguments"):
        train(recipe, ["trainer.learning_rat=1"])


def test_a_run_goes_on_after_its_cache_was_moved(base: Path, tmp_path: Path) -> None:
    recipe = write_recipe(base, tmp_path, trainable=FROZEN, trainer={"max_steps": 1})
    model = train(recipe, [f"cache_grounding={tmp_path / 'a'}"])
    assert train(recipe, [f"cache_grounding={tmp_path / 'b'}"]) == model
    with pytest.raises(UserError, match=r"cache_grounding = 'a folder', the recipe now says None"):
        train(recipe)
