"""Training moves what the recipe says and nothing else; a run that was cut short ends as if it had not been."""

import json
import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.progress import Progress
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainingArguments

from mglmm.cli import main
from mglmm.config import load_recipe
from mglmm.data.collate import Collator, TrainItem
from mglmm.model import MGLMMForConditionalGeneration, loading
from mglmm.model.lora import load_lora, module_names
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn, UserError, write_jsonl
from mglmm.train import TrainRecipe, run, train
from mglmm.train.ema import Ema
from mglmm.train.measure import HeldOut
from mglmm.train.selection import bare_name, freeze_all_but, frozen_modules, matches, parameter_groups
from mglmm.train.setup import load_model
from mglmm.train.trainer import SHAPES, Clock, checkpoints, learning_rate_factor
from tests.model.tiny import tiny_model, tiny_processor

COLORS = {"red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
RECIPES = Path(__file__).parent.parent / "recipes" / "train"
LANGUAGE = r"lmm\.model\.language_model\..*\.(q_proj|v_proj)"


def boxes(name: str, seed: int, size: int = 64) -> tuple[Image.Image, Sample]:
    """An image of one box per color, and a turn that asks for each."""
    rng = np.random.default_rng(seed)
    pixels = np.full((size, size, 3), 40, dtype=np.uint8)
    segments, turns = [], []
    for number, (color, rgb) in enumerate(COLORS.items()):
        top, left = (number // 2) * size // 2, (number % 2) * size // 2
        y, x = top + rng.integers(0, 6), left + rng.integers(0, 6)
        mask = np.zeros((size, size), dtype=bool)
        mask[y : y + rng.integers(16, 26), x : x + rng.integers(16, 26)] = True
        pixels[mask] = rgb
        segments.append(Segment(id=number, rle=Rle.from_mask(mask), label="box"))
        span = Span(start=0, end=len(f"the {color} box"), segment_ids=(number,))
        answer = GroundedText(text=f"the {color} box.", spans=(span,))
        turns.append(Turn(task="referring", instruction=f"segment the {color} box.", answer=answer))
    sample = Sample(id=name, image=f"{name}.png", size=(size, size), segments=tuple(segments), turns=tuple(turns))
    return Image.fromarray(pixels), sample


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four samples and the tiny model."""
    folder = tmp_path_factory.mktemp("base")
    samples = []
    for number in range(4):
        image, sample = boxes(f"s{number}", number)
        image.save(folder / sample.image)
        samples.append(sample)
    write_jsonl(folder / "samples.jsonl", samples)
    tiny_model().save_pretrained(folder / "model")
    tiny_processor().save_pretrained(folder / "model")
    return folder


def own_data(base: Path) -> list[dict[str, Any]]:
    """The recipe's words for the four samples."""
    return [{"source": "samples", "paths": [str(base / "samples.jsonl")]}]


def write_recipe(base: Path, folder: Path, **changes: Any) -> Path:
    """A recipe of four steps with two images each; `trainer` is merged, other fields replaced."""
    trainer = {
        "max_steps": 4,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "dataloader_num_workers": 0,
        "report_to": [],
        "use_cpu": True,
        **changes.pop("trainer", {}),
    }
    recipe = {
        "output": str(folder / "run"),
        "model": str(base / "model"),
        "data": own_data(base),
        "trainer": trainer,
        **changes,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def losses(folder: Path) -> dict[int, tuple[float, ...]]:
    """Step -> the losses of `log.jsonl`."""
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {r["step"]: (r["loss"], r["lm_loss"], r["mask_bce"], r["mask_dice"]) for r in records if "loss" in r}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a saved model."""
    return MGLMMForConditionalGeneration.from_pretrained(folder).state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    """Names of the tensors that are equal bit for bit."""
    assert set(a) == set(b)
    return {name for name in a if torch.equal(a[name], b[name])}


# what is trained


def test_trained_parameters_change_and_frozen_ones_do_not(base: Path, tmp_path: Path) -> None:
    patterns = ["seg_projector", r"sam\.mask_decoder", r"lmm\.model\.multi_modal_projector"]
    model = train(write_recipe(base, tmp_path, trainable=patterns, trainer={"weight_decay": 0.1}))
    before, after = weights(base / "model"), weights(model)
    unchanged = same(before, after)
    trained = {name for name in before if any(matches(pattern, name) for pattern in patterns)}
    assert unchanged >= set(before) - trained
    moved = trained - unchanged
    assert {name.split(".")[0] for name in moved} == {"seg_projector", "sam", "lmm"}
    assert len(moved) > 0.8 * len(trained)  # a few decoder layers (object score) take no part in the loss


def test_all_parameters_that_take_part_are_trained_by_default(base: Path, tmp_path: Path) -> None:
    model = train(write_recipe(base, tmp_path))
    before, after = weights(base / "model"), weights(model)
    moved = set(before) - same(before, after)
    parts = ("lmm.model.vision_tower", "lmm.model.language_model", "sam.vision_encoder", "sam.mask_decoder")
    assert all(any(name.startswith(part) for name in moved) for part in parts)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("sam", "sam.mask_decoder.weight", True),
        ("sam", "samovar.weight", False),
        (".*", "anything.weight", True),
        (r".*\.mask_decoder", "sam.mask_decoder.iou_token.weight", True),
        ("mask_decoder", "sam.mask_decoder.iou_token.weight", False),
        (r"seg_projector\.0\.weight", "seg_projector.0.weight", True),
    ],
)
def test_patterns_match_whole_names_of_modules_or_parameters(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_a_pattern_that_matches_nothing_is_an_error(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'mask_decoder' matches no parameter; modules are .*sam.mask_decod"):
        train(write_recipe(base, tmp_path, trainable=["mask_decoder"]))


def test_frozen_modules_are_the_largest_and_stay_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Dropout()), nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
    freeze_all_but(model, ["1"])
    assert frozen_modules(model) == [model[0]]


def test_learning_rates_follow_the_groups() -> None:
    model = nn.ModuleDict({"slow": nn.Linear(2, 2), "fast": nn.Linear(2, 2)})
    groups = parameter_groups(model, ["slow.weight", "fast.weight"], {"slow": 0.1, ".*": 2.0}, 1e-3, 0.05)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    expected = {
        "slow.weight": (1e-4, 0.05),
        "slow.bias": (1e-4, 0.0),
        "fast.weight": (2e-3, 0.05),
        "fast.bias": (2e-3, 0.0),
    }
    for name, parameter in model.named_parameters():
        assert found[id(parameter)] == pytest.approx(expected[name])


def test_bare_names_are_those_of_the_model_itself() -> None:
    assert bare_name("base_model.model.a.q_proj.base_layer.weight") == "a.q_proj.weight"
    assert bare_name("base_model.model.seg_projector.modules_to_save.default.0.bias") == "seg_projector.0.bias"
    assert bare_name("sam.mask_decoder.weight") == "sam.mask_decoder.weight"


# going on


def test_a_resumed_run_is_the_straight_one(base: Path, tmp_path: Path) -> None:
    """Losses, averaged weights and all: bit for bit, since every item depends on its number alone."""
    changes = {"ema_decay": 0.9, "trainer": {"save_strategy": "steps", "save_steps": 2, "lr_scheduler_type": "cosine"}}
    for name in ("straight", "resumed"):
        (tmp_path / name).mkdir()
    straight = train(write_recipe(base, tmp_path / "straight", **changes))
    resumed = write_recipe(base, tmp_path / "resumed", **changes)
    # as a kill after step 3 leaves it: the checkpoint of step 2, a log that is ahead, an unfinished checkpoint
    folder = tmp_path / "resumed" / "run"
    shutil.copytree(straight.parent / "checkpoint-2", folder / "checkpoint-2")
    (folder / "unfinished" / "checkpoint-4").mkdir(parents=True)
    lines = (straight.parent / "log.jsonl").read_text().splitlines()
    (folder / "log.jsonl").write_text("\n".join(lines[:3]).replace('"loss": ', '"loss": 1') + "\n")
    record = json.loads((folder / "checkpoint-2" / "run.json").read_text())
    record["recipe"]["output"] = str(folder)
    (folder / "checkpoint-2" / "run.json").write_text(json.dumps(record))

    model = train(resumed)
    assert {step: losses(folder)[step] for step in (3, 4)} == {s: losses(straight.parent)[s] for s in (3, 4)}
    assert len(losses(folder)) == 4
    before, after = weights(straight), weights(model)
    assert same(before, after) == set(before)
    assert [path.name for path in checkpoints(folder)] == ["checkpoint-2", "checkpoint-4"]


def test_ctrl_c_saves_and_the_same_command_goes_on(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("straight", "stopped"):
        (tmp_path / name).mkdir()
    straight = train(write_recipe(base, tmp_path / "straight"))
    recipe = write_recipe(base, tmp_path / "stopped")
    calls = []

    def press(self: Collator, items: Sequence[TrainItem]) -> dict[str, torch.Tensor]:
        calls.append(len(items))
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return make_batch(self, items)

    make_batch = Collator.__call__
    monkeypatch.setattr(Collator, "__call__", press)
    with pytest.raises(KeyboardInterrupt, match=r"checkpoint-\d is saved, and the same command goes on"):
        train(recipe)
    monkeypatch.undo()
    model = train(recipe)
    before, after = weights(straight), weights(model)
    assert same(before, after) == set(before)


def test_ctrl_c_after_the_last_step_loses_nothing(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the last held-out figures are measured, or while the result is written."""
    measured = {"every": 4, "samples": 1, "answers": 0, "data": own_data(base)}
    for place, name in ((HeldOut, "_losses"), (run, "own_weights")):
        folder = tmp_path / name
        folder.mkdir()
        whole = getattr(place, name)

        def press(*arguments: Any, whole: Any = whole) -> Any:
            signal.raise_signal(signal.SIGINT)
            return whole(*arguments)

        monkeypatch.setattr(place, name, press)
        model = train(write_recipe(base, folder, evaluate=measured))
        monkeypatch.undo()
        assert same(weights(base / "model"), weights(model)) < set(weights(model))
        assert train(folder / "recipe.yaml") == model  # finished


def test_another_recipe_in_the_same_folder_is_refused(base: Path, tmp_path: Path) -> None:
    recipe = write_recipe(base, tmp_path, trainer={"max_steps": 1, "save_strategy": "steps", "save_steps": 1})
    model = train(recipe)
    assert train(recipe) == model  # finished: nothing is done again
    assert train(recipe, ["trainer.logging_steps=7", "evaluate.every=3"]) == model  # moves no weight
    with pytest.raises(UserError, match=r"loss\.dice = 0\.5, the recipe now says 2\.0; choose another output folder"):
        train(recipe, ["loss.dice=2.0"])
    with pytest.raises(UserError, match=r"save_dtype = None, the recipe now says 'float16'; choose another output"):
        train(recipe, ["save_dtype=float16"])  # the result is saved already
    shutil.rmtree(model)
    with pytest.raises(UserError, match=r"run: has been trained already, but its model/ is gone; .* delete run\.json"):
        train(recipe)
    (model.parent / "run.json").unlink()
    with pytest.raises(UserError, match=r"seed = 0, the recipe now says 5"):
        train(recipe, ["seed=5"])


def test_a_run_may_go_on_in_smaller_micro_batches_but_not_in_other_steps(base: Path, tmp_path: Path) -> None:
    recipe = write_recipe(base, tmp_path, trainer={"save_strategy": "steps", "save_steps": 2})
    model = train(recipe)
    straight = losses(model.parent)
    for name in ("model", "checkpoint-4"):
        shutil.rmtree(model.parent / name)
    (model.parent / "run.json").unlink()
    with pytest.raises(UserError, match="run with 2 images a step, now it would be 1; change trainer.gradient_accum"):
        train(recipe, ["trainer.per_device_train_batch_size=1"])
    train(recipe, ["trainer.per_device_train_batch_size=1", "trainer.gradient_accumulation_steps=2"])
    for step in (3, 4):
        assert losses(model.parent)[step] == pytest.approx(straight[step], rel=1e-4)


# equal ways


def test_two_micro_batches_are_one_batch(base: Path, tmp_path: Path) -> None:
    """Also with different numbers of tokens and masks in them: the loss is a mean over the whole step."""
    results = []
    for size, accumulated in ((4, 1), (1, 4)):
        folder = tmp_path / str(size)
        folder.mkdir()
        sizes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulated, "max_steps": 2}
        # plain SGD: Adam divides rounding noise by itself where gradients are nearly zero
        settings = {**sizes, "optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.1}
        model = train(write_recipe(base, folder, conversations_per_image=1, trainer=settings))
        results.append((losses(model.parent), weights(model)))
    (one, one_weights), (many, many_weights) = results
    for step in one:
        assert one[step] == pytest.approx(many[step], rel=1e-4)  # float32 sums in another order
    for name, value in one_weights.items():
        torch.testing.assert_close(value, many_weights[name], rtol=1e-3, atol=1e-5)


def test_a_data_worker_changes_nothing(base: Path, tmp_path: Path) -> None:
    results = []
    for workers in (0, 1):
        folder = tmp_path / str(workers)
        folder.mkdir()
        model = train(write_recipe(base, folder, trainer={"dataloader_num_workers": workers, "max_steps": 2}))
        results.append(losses(model.parent))
    assert results[0] == results[1]


def test_what_is_wrong_in_a_data_worker_is_one_plain_line(base: Path, tmp_path: Path) -> None:
    shutil.copy(base / "samples.jsonl", tmp_path / "samples.jsonl")
    data = [{"source": "samples", "paths": [str(tmp_path / "samples.jsonl")]}]
    with pytest.raises(UserError, match=rf"^{tmp_path}/s\d.png: no such file; .*") as caught:
        train(write_recipe(base, tmp_path, data=data, trainer={"dataloader_num_workers": 1}))
    assert "\n" not in str(caught.value)


def test_masks_alone_are_trained_where_an_image_has_none(base: Path, tmp_path: Path) -> None:
    image, sample = boxes("none", 0)
    image.save(tmp_path / sample.image)
    turn = Turn(
        task="generalized_referring", instruction="segment the cow.", answer=GroundedText(text="There is none.")
    )
    write_jsonl(tmp_path / "none.jsonl", [sample.model_copy(update={"turns": (turn,)})])
    data = [{"source": "samples", "paths": [str(tmp_path / "none.jsonl")]}, *own_data(base)]
    each = {"per_device_train_batch_size": 1, "max_grad_norm": 0.0}
    folder = train(write_recipe(base, tmp_path, data=data, trainable=["seg_projector"], trainer=each))
    assert {bce > 0 for _, _, bce, _ in losses(folder.parent).values()} == {True, False}


# LoRA


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a LoRA run that was also killed and resumed."""
    folder = tmp_path_factory.mktemp("lora")
    recipe = write_recipe(
        base,
        folder,
        lora={"r": 4, "lora_alpha": 8, "target_modules": LANGUAGE},
        trainable=["seg_projector", r"sam\.mask_decoder", r"lmm\.lm_head"],
        lr_groups={"seg_projector": 2.0},
        trainer={"save_strategy": "steps", "save_steps": 2},
        ema_decay=0.5,
        evaluate={"every": 4, "samples": 2, "answers": 2, "max_new_tokens": 8, "data": own_data(base)},
    )
    model = train(recipe)
    first = weights(model)
    shutil.rmtree(model.parent / "checkpoint-4")
    (model.parent / "run.json").unlink()
    assert same(first, weights(train(recipe))) == set(first)  # resumed = straight, with LoRA too
    return model.parent


def outputs(model: nn.Module, base: Path) -> list[torch.Tensor]:
    """Losses and mask logits on one sample."""
    image, sample = boxes("s0", 0)
    batch = Collator(tiny_processor())([TrainItem(image, sample, sample.conversations)])
    with torch.no_grad():
        output = model.eval()(**batch)
    return [output.lm_loss, output.mask_bce, output.mask_logits]


def test_lora_loads_merged_and_unmerged(base: Path, lora: Path) -> None:
    merged = MGLMMForConditionalGeneration.from_pretrained(lora / "model")
    unmerged = load_lora(MGLMMForConditionalGeneration.from_pretrained(base / "model"), lora / "adapter")
    untrained = MGLMMForConditionalGeneration.from_pretrained(base / "model")
    for a, b in zip(outputs(merged, base), outputs(unmerged, base), strict=True):
        assert (a - b).abs().max() < 1e-4 * a.abs().max()  # W x + B A x against (W + B A) x in float32
    assert outputs(merged, base)[0] < outputs(untrained, base)[0] - 0.05


def test_lora_trains_adapters_and_named_modules_only(base: Path, lora: Path) -> None:
    before, after = weights(base / "model"), weights(lora / "model")
    moved = set(before) - same(before, after)
    assert {name for name in moved if re.fullmatch(LANGUAGE + r"\.weight", name)}
    others = {name for name in moved if not re.fullmatch(LANGUAGE + r"\.weight", name)}
    assert {".".join(name.split(".")[:2]) for name in others} == {
        "seg_projector.0",
        "seg_projector.2",
        "sam.mask_decoder",
        "lmm.lm_head",
        "lmm.model",  # the token embedding, tied to the head
    }
    assert torch.equal(after["lmm.lm_head.weight"], after["lmm.model.language_model.embed_tokens.weight"])


def test_lora_names_outermost_modules_and_the_members_of_containers() -> None:
    model = tiny_model()
    assert module_names(model, ["seg_projector", r"sam\.mask_decoder\.iou_token", r"sam\.mask_decoder"]) == [
        "sam.mask_decoder",
        "seg_projector.0",
        "seg_projector.2",
    ]
    layers = r"lmm\.model\.language_model\.layers"
    assert module_names(model, [layers]) == [f"{layers.replace(chr(92), '')}.{number}" for number in range(2)]
    with pytest.raises(UserError, match="'nothing' matches no module; modules are .*seg_projector"):
        module_names(model, ["nothing"])


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"rank": 4}, "rank"),
        ({"target_modules": "nothing"}, "lora: No modules were targeted"),
        ({"target_modules": LANGUAGE, "modules_to_save": ["x"]}, "list those modules under trainable"),
    ],
)
def test_wrong_lora_settings_are_named(base: Path, tmp_path: Path, lora: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(write_recipe(base, tmp_path, lora=lora, trainable=["seg_projector"]))


# time, average, measurements


@given(st.sampled_from(SHAPES), st.floats(0, 1), st.integers(0, 1000), st.sampled_from([0.0, 0.1, 1.0, 100.0]))
def test_the_learning_rate_stays_between_zero_and_one(shape: str, progress: float, step: int, warmup: float) -> None:
    assert 0.0 <= learning_rate_factor(shape, progress, step, warmup) <= 1.0


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 50.0])
def test_the_learning_rate_is_full_after_warmup_and_zero_at_the_end(shape: str, warmup: float) -> None:
    start = 0.2 if warmup == 0.2 else 0.0
    assert learning_rate_factor(shape, start, 1000, warmup) == pytest.approx(1.0)
    assert learning_rate_factor(shape, 1.0, 1000, warmup) == pytest.approx(0.0)
    assert learning_rate_factor(shape, start + (1 - start) / 2, 1000, warmup) == pytest.approx(0.5)


def test_the_clock_counts_time_and_steps_over_restarts() -> None:
    clock = Clock(max_minutes=10, max_steps=100)
    clock.start(step=20, spent=300.0)
    assert clock.progress == pytest.approx(0.5)
    clock.tick(step=90)
    assert clock.progress == pytest.approx(0.9)
    assert clock.spent >= 300.0
    assert Clock(max_minutes=None, max_steps=100, step=25).progress == 0.25


def test_a_time_budget_ends_the_run_annealed(base: Path, tmp_path: Path) -> None:
    recipe = write_recipe(base, tmp_path, max_minutes=0.05, trainer={"max_steps": 10**6, "lr_scheduler_type": "linear"})
    model = train(recipe)
    records = [json.loads(line) for line in (model.parent / "log.jsonl").read_text().splitlines()]
    rates = [record["learning_rate"] for record in records if "loss" in record]
    assert len(rates) < 10**4
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.3 * rates[0]
    assert (model / "model.safetensors").is_file()


def test_a_schedule_that_cannot_follow_the_clock_is_refused(base: Path, tmp_path: Path) -> None:
    recipe = write_recipe(base, tmp_path, max_minutes=1, trainer={"lr_scheduler_type": "polynomial"})
    with pytest.raises(UserError, match="'polynomial' cannot follow the clock"):
        train(recipe)


def test_the_average_follows_its_formula_and_gives_the_weights_back(tmp_path: Path) -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    ema = Ema(model, decay=0.9)
    model.weight.data.fill_(2.0)
    ema.update()  # decay (1 + 1) / (10 + 1)
    assert ema.weights["weight"].item() == pytest.approx(2.0 - 2 / 11)
    with ema.applied():
        assert model.weight.item() == pytest.approx(2.0 - 2 / 11)
    assert model.weight.item() == 2.0
    ema.save(tmp_path / "ema.safetensors")
    other = Ema(nn.Linear(1, 1, bias=False), decay=0.9)
    other.load(tmp_path / "ema.safetensors", num_updates=1)
    assert torch.equal(other.weights["weight"], ema.weights["weight"])


def test_held_out_losses_are_measured_and_change_nothing(base: Path, tmp_path: Path) -> None:
    measured = {"every": 2, "samples": 3, "answers": 2, "max_new_tokens": 8, "data": own_data(base)}
    results = []
    for name, evaluate in (("with", measured), ("without", None)):
        folder = tmp_path / name
        folder.mkdir()
        model = train(write_recipe(base, folder, evaluate=evaluate, ema_decay=0.5))
        results.append((losses(model.parent), weights(model)))
    assert results[0][0] == results[1][0]
    assert same(results[0][1], results[1][1]) == set(results[0][1])
    records = [json.loads(line) for line in (tmp_path / "with" / "run" / "log.jsonl").read_text().splitlines()]
    held_out = [record for record in records if "held_out_loss" in record]
    assert [record["step"] for record in held_out] == [2, 4]
    assert held_out[1]["held_out_loss"] < held_out[0]["held_out_loss"]
    assert {"held_out_answer_iou", "held_out_answer_iou_referring", "held_out_answer_invalid"} < set(held_out[0])


def test_held_out_losses_do_not_depend_on_batches(base: Path, tmp_path: Path) -> None:
    """One of the images has no mask, and answers are of several lengths."""
    image, sample = boxes("none", 0)
    image.save(tmp_path / sample.image)
    said = GroundedText(text="There is no cow that can be seen in here.")
    turn = Turn(task="generalized_referring", instruction="segment the cow.", answer=said)
    write_jsonl(tmp_path / "none.jsonl", [sample.model_copy(update={"turns": (turn,)})])
    data = [{"source": "samples", "paths": [str(tmp_path / "none.jsonl")]}, *own_data(base)]
    figures = []
    for size in (1, 4):
        folder = tmp_path / str(size)
        folder.mkdir()
        evaluate = {"every": 1, "samples": 4, "answers": 0, "data": data}
        recipe = load_recipe(
            write_recipe(base, folder, evaluate=evaluate, trainer={"per_device_train_batch_size": size}), TrainRecipe
        )
        model, processor = load_model(recipe)
        measure = HeldOut(recipe, recipe.evaluate, run.training_arguments(recipe), Collator(processor), processor)
        with torch.no_grad():
            figures.append(measure(model.eval()))
    assert figures[0]["mask_bce"] > 0
    assert figures[0] == pytest.approx(figures[1], rel=1e-4)


def test_a_run_goes_on_after_half_a_record_of_its_log(base: Path, tmp_path: Path) -> None:
    saving = {"save_strategy": "steps", "save_steps": 2}
    recipe = write_recipe(base, tmp_path, trainer=saving)
    train(recipe)
    (tmp_path / "run" / run.RUN_FILE).unlink()
    log = tmp_path / "run" / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 5, "lo')
    train(recipe)
    assert set(losses(tmp_path / "run")) == {1, 2, 3, 4}


@pytest.mark.parametrize("settings", [{"logging_steps": 1}, {"logging_steps": 9, "save_steps": 2}])
def test_a_loss_that_is_not_finite_ends_the_run_in_one_line(
    base: Path,
    tmp_path: Path,
    settings: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen when the losses are logged, or before a checkpoint of them is saved; the bar does not stay."""
    bars: list[Progress] = []
    monkeypatch.setattr(Progress, "stop", lambda self: bars.append(self))
    diverging = {"learning_rate": 1e30, "max_grad_norm": 0.0, "save_strategy": "steps", **settings}
    assert main(["train", str(write_recipe(base, tmp_path, trainer=diverging))]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    said = r"mglmm: step 2: the run diverges \(.*lm_loss.*: not finite\); lower trainer\.learning_rate"
    assert re.fullmatch(said, line)
    assert not checkpoints(tmp_path / "run")
    assert len(bars) == 1


def test_weights_can_come_from_another_model(base: Path, tmp_path: Path) -> None:
    tiny_model(seed=7).save_pretrained(tmp_path / "other")
    recipe = write_recipe(
        base,
        tmp_path,
        init_from={"sam": str(tmp_path / "other")},
        trainable=["seg_projector"],
        trainer={"max_steps": 1},
    )
    started, other, after = weights(base / "model"), weights(tmp_path / "other"), weights(train(recipe))
    taken = {name for name in after if name.startswith("sam.")}
    assert taken <= same(other, after)
    kept = {name for name in after if name.startswith("lmm.")}
    assert kept <= same(started, after)
    with pytest.raises(UserError, match="has no module 'nothing'"):
        train(write_recipe(base, tmp_path, output=str(tmp_path / "b"), init_from={"nothing": str(tmp_path / "other")}))


def test_weights_can_come_from_the_hub(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model(seed=7).save_pretrained(tmp_path / "fetched")
    monkeypatch.setattr(loading, "snapshot_download", lambda hub_id, **options: str(tmp_path / "fetched"))
    recipe = load_recipe(write_recipe(base, tmp_path, init_from={"sam": "owner/name"}), TrainRecipe)
    model, _ = load_model(recipe)
    other = weights(tmp_path / "fetched")
    assert all(torch.equal(value, other[f"sam.{name}"]) for name, value in model.sam.state_dict().items())
    (tmp_path / "fetched" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"init_from: .*model\.safetensors: cannot be read"):
        load_model(recipe)


def test_a_run_begins_from_a_whole_model_alone(base: Path, tmp_path: Path) -> None:
    """Weights at random are told, but for those of the prompt similarity, which begin at nothing."""
    folder = tmp_path / "model"
    shutil.copytree(base / "model", folder)
    recipe = load_recipe(write_recipe(base, tmp_path, model=str(folder)), TrainRecipe)
    kept = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in kept.items() if not name.startswith("prompt_similarity.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    started = load_model(recipe)[0].prompt_similarity
    assert started is not None and not any(weight.any() for weight in started.parameters())
    del kept["seg_projector.0.weight"]
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights are missing, such as seg_projector\.0\.weight"):
        load_model(recipe)
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(recipe)


def test_weights_can_come_from_a_module_of_another_name(base: Path, tmp_path: Path) -> None:
    """Both encoders of the tiny model have the same backbone; the tower has a last layer besides."""
    tiny_model(seed=7).save_pretrained(tmp_path / "other")
    backbone, tower = "sam.vision_encoder.backbone.timm_model", "lmm.model.vision_tower.timm_model"
    recipe = write_recipe(
        base,
        tmp_path,
        init_from={backbone: f"{tmp_path / 'other'}#{tower}"},
        trainable=["seg_projector"],
        trainer={"max_steps": 1},
    )
    other, after = weights(tmp_path / "other"), weights(train(recipe))
    taken = [name for name in after if name.startswith(backbone)]
    assert taken and all(torch.equal(after[name], other[tower + name[len(backbone) :]]) for name in taken)


def test_image_tokens_learn_their_words_without_any_text(base: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        base,
        tmp_path,
        conversations_per_image=0,
        loss={"lm": 0.0, "bce": 0.0, "dice": 0.0, "words": 1.0},
        trainer={"max_steps": 30, "learning_rate": 1e-2},
    )
    folder = train(recipe)
    log = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text().splitlines()]
    words = [record["word_loss"] for record in log if "word_loss" in record]
    assert words[-1] < 0.5 * words[0]
    untouched = {name for name in weights(folder) if name.startswith(("sam.", "seg_projector."))}
    assert untouched <= same(weights(base / "model"), weights(folder))


def test_points_learn_their_words_without_any_text(base: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "conversations_per_image": 0,
        "loss": {"lm": 0.0, "bce": 0.0, "dice": 0.0, "points": 1.0},
        "trainer": {"max_steps": 30, "learning_rate": 1e-2},
    }
    model = tmp_path / "similar"
    shutil.copytree(base / "model", model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"prompt_similarity": False}))
    with pytest.raises(UserError, match="loss.points: .* was made without prompt similarity"):
        train(write_recipe(base, tmp_path, model=str(model), **changes))
    (model / "config.json").write_text(json.dumps(config | {"prompt_similarity": True}))
    folder = train(write_recipe(base, tmp_path, model=str(model), **changes))
    log = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text().splitlines()]
    points = [record["point_loss"] for record in log if "point_loss" in record]
    assert points[-1] < 0.6 * points[0]


def test_copying_is_learned_without_pictures(base: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "data": [{"source": "echo"}],
        "with_image": False,
        "grounded_share": 0.0,
        "trainable": [r"lmm\.model\.language_model"],
        "loss": {"bce": 0.0, "dice": 0.0},
        "trainer": {"max_steps": 8, "learning_rate": 3e-3},
    }
    folder = train(write_recipe(base, tmp_path, **changes))
    log = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text().splitlines()]
    losses = [record["lm_loss"] for record in log if "lm_loss" in record]
    assert losses[-1] < 0.9 * losses[0]
    untouched = {name for name in weights(folder) if not name.startswith("lmm.model.language_model.")}
    assert untouched - {"lmm.lm_head.weight"} <= same(weights(base / "model"), weights(folder))


# recipes


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_are_valid(path: Path) -> None:
    recipe = load_recipe(path, TrainRecipe)
    run.training_arguments(recipe.model_copy(update={"trainer": {**recipe.trainer, "bf16": False}}))
    assert path.read_text().startswith("#")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "trainer.learning_rat=1",
            r"learning_rat: no setting of TrainingArguments; valid keys are: .*learning_rate",
        ),
        ("trainer.output_dir=x", "trainer.output_dir is not yours to set; use output"),
        ("trainer.max_steps=-1", "say how long to train"),
        ("trainer.max_steps=abc", "trainer.max_steps: must be a whole number, not 'abc'"),
        ("trainer.learning_rate=abc", "trainer.learning_rate: .*valid number, not 'abc'"),
        ("trainer.activation_checkpointing=maybe", "trainer.activation_checkpointing: .*valid boolean, not 'maybe'"),
        ("trainer.logging_steps=true", "trainer.logging_steps: .*valid number, not True"),
        ("task_weights={referring: 0}", r"task_weights: sample \S+: none of .*positive weight"),
        ("task_weights={refering: 1}", "task_weights.refering"),
        ("build={shape: {}}", "build is only for model: new"),
        ("epochs=3", "unknown key 'epochs'; valid keys are: .*trainer"),
        ("model=/no/such/folder", "model /no/such/folder: no such folder"),
        ("init_from={sam: /no/such/folder}", "model /no/such/folder: no such folder"),
        ("data=[{source: world, end: 2000000000}]", "are held out"),
        ("output=/dev/null", "output: /dev/null: cannot be written"),
        ("data=[{source: samples, paths: [/no/such.jsonl]}]", "/no/such.jsonl: No such file"),
    ],
)
def test_mistakes_in_a_recipe_are_one_plain_line(base: Path, tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        train(write_recipe(base, tmp_path), [override])
    assert "\n" not in str(caught.value)


def test_without_torchrun_a_step_is_made_for_one_device(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda args: getattr(args, "_n_gpu", 4)))
    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(lambda args: torch.device("cpu")))
    recipe = load_recipe(write_recipe(base, tmp_path), TrainRecipe)
    assert run.training_arguments(recipe).train_batch_size == 2


def test_the_override_of_the_documentation_is_a_number(base: Path, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(base, tmp_path), TrainRecipe, ["trainer.learning_rate=1e-4"])
    assert run.training_arguments(recipe).learning_rate == 1e-4


# learning


@pytest.mark.slow
def test_the_tiny_model_overfits_four_samples(base: Path, tmp_path: Path) -> None:
    """Each image has one phrase of its own, so that both the text and the mask must be learned."""
    samples = []
    for number in range(4):
        image, sample = boxes(f"s{number}", number)
        image.save(tmp_path / sample.image)
        samples.append(sample.model_copy(update={"turns": sample.turns[number : number + 1]}))
    write_jsonl(tmp_path / "four.jsonl", samples)
    recipe = write_recipe(
        base,
        tmp_path,
        data=[{"source": "samples", "paths": [str(tmp_path / "four.jsonl")]}],
        trainer={
            "max_steps": 250,
            "per_device_train_batch_size": 4,
            "learning_rate": 4e-3,
            "warmup_steps": 20,
            "lr_scheduler_type": "cosine",
            "logging_steps": 50,
        },
        loss={"dice": 2.0},
    )
    _, lm_loss, mask_bce, mask_dice = losses(train(recipe).parent)[250]
    assert lm_loss < 0.1
    assert mask_bce < 0.05
    assert mask_dice < 0.15
