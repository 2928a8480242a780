"""What makes training fast or small changes no answer: checkpointing, few bits; and what is logged."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from mglmm.config import load_recipe
from mglmm.data.collate import Collator, TrainItem
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.build import new_model, new_processor
from mglmm.model.join import build
from mglmm.schema import UserError
from mglmm.train import TrainRecipe, train
from mglmm.train.selection import freeze_all_but
from mglmm.train.sharding import own_weights, rebuilt
from mglmm.train.speed import Speed, Work, known_peak
from tests.model import backbones
from tests.model.tiny import SHAPE, tiny_model, tiny_processor, tiny_tokenizer
from tests.test_train import LANGUAGE, base, boxes, losses, own_data, same, weights, write_recipe

__all__ = ["base"]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cache_grounding": "x", "data": [{"source": "photos", "sets": ["a"]}]}, "augment changes its images"),
        ({"cache_grounding": "x", "data": [{"source": "world"}]}, "never end; give it a cap"),
        ({"quantize": "bnb-4bit"}, "quantize needs lora"),
        ({"ema_decay": 0.9, "trainer": {"max_steps": 1, "fsdp": True}}, "ema_decay cannot be had with trainer.fsdp"),
        ({"loss": {"points": 1}, "trainer": {"max_steps": 1, "deepspeed": {}}}, None),
        ({"loss": {"points": 1}, "trainer": {"max_steps": 1, "fsdp": True}}, "loss.points cannot be had"),
        ({"data": [{"source": "echo"}]}, "echo has no pictures"),
        ({"data": [{"source": "world"}], "evaluate": {"data": [{"source": "echo"}]}}, "echo has no pictures"),
        ({"grounded_share": 0}, "loss.bce needs masks"),
        ({"grounded_share": 0, "loss": {"bce": 0, "dice": 0, "points": 1}}, "loss.points needs masks"),
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
    with pytest.raises(UserError, match="trainer.fsdp: .*torchrun"):
        train(write_recipe(base, tmp_path, trainer={"fsdp": True}))


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


def test_what_is_trained_is_held_in_float32_beside_bfloat16(base: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    """An update of a thousandth of a weight, which bfloat16 would round away, is kept; answers with masks are given."""
    changes: dict[str, Any] = {
        "model": str(tiny_model_dir),
        "dtype": "bfloat16",
        "lora": {"r": 4, "target_modules": LANGUAGE},
        "trainable": ["seg_projector", r"sam\.mask_decoder"],
        "trainer": {"bf16": True, "learning_rate": 1e-5},
        "evaluate": {"every": 4, "samples": 4, "answers": 4, "max_new_tokens": 24, "data": own_data(base)},
    }
    model = train(write_recipe(base, tmp_path, **changes))
    after = load_file(model / "model.safetensors")
    before = weights(tiny_model_dir)
    start, end = before["seg_projector.0.weight"].bfloat16().float(), after["seg_projector.0.weight"]
    moved = (end - start).abs()
    assert 0 < moved.max() < 1e-4 and (moved > 0).float().mean() > 0.5
    assert "held_out_answer_iou" in next(r for r in records(model.parent) if "held_out_loss" in r)


def test_a_rebuilt_model_holds_what_was_trained_as_it_was_trained(base: Path, tmp_path: Path) -> None:
    """Beside bfloat16 nothing is rounded, and a weight that is not there is told."""
    recipe = load_recipe(write_recipe(base, tmp_path, dtype="bfloat16", trainable=["seg_projector"]), TrainRecipe)
    name = "seg_projector.0.weight"
    trained = {key: 1 + 1e-4 * torch.rand(value.shape) for key, value in weights(base / "model").items() if key in name}
    others = {key: torch.ones_like(v) for key, v in weights(base / "model").items() if key.startswith("seg_projector")}
    rebuilt_model = rebuilt(recipe, {**others, **trained})
    assert torch.equal(rebuilt_model.get_parameter(name), trained[name])
    assert rebuilt_model.get_input_embeddings().weight.dtype == torch.bfloat16
    with pytest.raises(RuntimeError, match="trained weights are not there, such as seg_projector"):
        rebuilt(recipe, trained)


def test_statistics_go_with_the_weights_trained_on_few_bits(base: Path, tmp_path: Path) -> None:
    lora = {"r": 2, "target_modules": LANGUAGE}
    recipe = load_recipe(write_recipe(base, tmp_path, quantize="bnb-4bit", lora=lora), TrainRecipe)
    model: Any = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2))
    freeze_all_but(model, ["0"])
    found = own_weights(SimpleNamespace(model=model), recipe)  # type: ignore[arg-type]
    assert found is not None
    assert set(found) == {f"0.{part}" for part in nn.BatchNorm1d(2).state_dict()}


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


@pytest.mark.parametrize(
    ("card", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A10G", None),
        ("NVIDIA L40", None),
        ("NVIDIA L40S", 362),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA RTX A4000", None),
        ("NVIDIA GeForce RTX 4090", 165.2),
    ],
)
def test_the_peak_is_that_of_the_card(card: str, tflops: float | None) -> None:
    assert known_peak(card) == (None if tflops is None else tflops * 1e12)


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


def test_frozen_weights_cost_less() -> None:
    model, processor = tiny_model(), tiny_processor()
    image, encoded, token, mask = Work.of(model, processor).flops
    freeze_all_but(model, ["seg_projector"])
    less = Work.of(model, processor).flops
    assert less[:2] == (image / 3, encoded / 3)
    assert less[2] == pytest.approx(token * 2 / 3)
    assert mask * 2 / 3 < less[3] < mask


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
