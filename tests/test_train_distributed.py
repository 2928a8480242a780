"""Several processes train as one does: the same losses, disjoint images, and a run that any kill leaves to go on."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from mglmm.data.balance import Step
from mglmm.data.mixture import Mixture
from mglmm.model import MGLMMForConditionalGeneration
from mglmm.schema import UserError, write_jsonl
from mglmm.train import train
from tests.data.test_mixture import Numbered, names
from tests.model.tiny import tiny_model, tiny_processor
from tests.test_train import LANGUAGE, boxes, losses, weights, write_recipe

SGD = {"optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.1}
"""Adam divides rounding noise by itself where gradients are nearly zero."""

PLAIN = """
import os, sys
from pathlib import Path
Path(sys.argv[1]).with_suffix(f".pid{os.environ['RANK']}").write_text(str(os.getpid()))
from mglmm.train import train
train(sys.argv[1])
"""

FSDP_ON_PROCESSORS = """
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

begin = AcceleratorState.__init__

def with_fsdp(self, *args, fsdp_plugin=None, **kwargs):
    begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP

AcceleratorState.__init__ = with_fsdp
"""
"""accelerate shards on accelerators alone; torch's FSDP2 itself runs on processors too."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with eight samples, of different numbers of turns, and the tiny model."""
    folder = tmp_path_factory.mktemp("base")
    samples = []
    for number in range(8):
        image, sample = boxes(f"s{number}", number)
        image.save(folder / sample.image)
        samples.append(sample.model_copy(update={"turns": sample.turns[: 1 + number % 4]}))
    write_jsonl(folder / "samples.jsonl", samples)
    tiny_model().save_pretrained(folder / "model")
    tiny_processor().save_pretrained(folder / "model")
    return folder


def start(num_processes: int, recipe: Path, script: str = PLAIN) -> subprocess.Popen[str]:
    """torchrun on one recipe."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    (recipe.parent / "script.py").write_text(script)
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={num_processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [*launcher, f"--master-port={port}", str(recipe.parent / "script.py"), str(recipe)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(num_processes: int, recipe: Path, script: str = PLAIN) -> Path:
    """The trained model, after running a recipe in several processes."""
    process = start(num_processes, recipe, script)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return recipe.parent / "run" / "model"


def recipe_in(base: Path, folder: Path, size: int, accumulated: int, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    trainer = {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulated}
    return write_recipe(base, folder, **{**changes, "trainer": {**trainer, **changes.pop("trainer", {})}})


def close(one: Path, many: Path, rtol: float = 1e-3) -> None:
    """The losses of two runs and their weights are equal but for the order of sums."""
    before, after = losses(one.parent), losses(many.parent)
    assert before.keys() == after.keys()
    for step, values in before.items():
        assert after[step] == pytest.approx(values, rel=1e-4)
    found = weights(many)
    for name, value in weights(one).items():
        torch.testing.assert_close(found[name], value, rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("num_processes", [1, 2, 4])
def test_an_epoch_shows_every_image_once_over_all_processes(num_processes: int, balanced: bool) -> None:
    from accelerate.data_loader import prepare_data_loader

    step = Step(batch_size=2, accumulated=3, num_processes=num_processes)
    length = 4 * step.items
    data = Mixture({"a": Numbered("a", length)}, {"a": 1.0}, length=length, step=step, balanced=balanced)
    shares = []
    for rank in range(num_processes):
        plain = DataLoader(data, batch_size=step.batch_size, collate_fn=names)
        loader = prepare_data_loader(plain, num_processes=num_processes, process_index=rank, put_on_device=False)
        shares.append([name for batch in loader for name in batch])
    assert len({len(share) for share in shares}) == 1
    assert Counter(name for share in shares for name in share) == Counter(f"a{k}" for k in range(length))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_processes", "size", "accumulated", "changes"),
    [
        (2, 2, 2, {}),
        (4, 2, 1, {"balanced": True}),
        (4, 1, 2, {"packed": True, "trainer": {"activation_checkpointing": True}}),
    ],
)
def test_several_processes_are_one_process_with_the_whole_batch(
    base: Path, tmp_path: Path, num_processes: int, size: int, accumulated: int, changes: dict[str, Any]
) -> None:
    """Also where processes have unequal numbers of tokens and masks: gradients are those of the mean over all."""
    more = changes.pop("trainer", {})
    one = train(recipe_in(base, tmp_path / "one", 8, 1, trainer=SGD, packed=changes.get("packed", False)))
    many = run(num_processes, recipe_in(base, tmp_path / "many", size, accumulated, trainer={**SGD, **more}, **changes))
    close(one, many)


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True])
def test_fsdp2_is_one_process_and_goes_on(base: Path, tmp_path: Path, lora: bool) -> None:
    changes: dict[str, Any] = {
        "evaluate": {"every": 3, "samples": 2, "answers": 2, "max_new_tokens": 6, "data": own(base)},
        "trainer": {"save_strategy": "steps", "save_steps": 2, "max_grad_norm": 0.0},
    }
    if lora:
        changes["lora"] = {"r": 4, "lora_alpha": 8, "target_modules": LANGUAGE}
        changes["trainable"] = ["seg_projector"]
        changes["cache_grounding"] = str(tmp_path / "cache of one")
    one = train(recipe_in(base, tmp_path / "one", 8, 1, **changes))
    changes["trainer"] = {**changes["trainer"], "fsdp": True}
    if lora:
        changes["cache_grounding"] = str(tmp_path / "cache of many")  # empty: the encoder runs under FSDP
    recipe = recipe_in(base, tmp_path / "many", 2, 2, **changes)
    many = run(2, recipe, FSDP_ON_PROCESSORS + PLAIN)
    for step, values in losses(one.parent).items():
        assert losses(many.parent)[step] == pytest.approx(values, rel=1e-3)
    first, straight = weights(many), losses(many.parent)
    unwind(many.parent, "checkpoint-4")
    run(2, recipe, FSDP_ON_PROCESSORS + PLAIN)
    assert losses(many.parent) == straight
    assert all(torch.equal(value, first[name]) for name, value in weights(many).items())
    if lora:
        assert (many.parent / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_deepspeed_is_one_process_and_goes_on(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    engine = {
        "zero_optimization": {"stage": 2},
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "zero_allow_untested_optimizer": True,
    }
    settings = {"save_strategy": "steps", "save_steps": 2, "max_grad_norm": 0.0}
    one = train(recipe_in(base, tmp_path / "one", 8, 1, trainer=settings))
    recipe = recipe_in(base, tmp_path / "many", 2, 2, trainer={**settings, "deepspeed": engine})
    many = run(2, recipe)
    for step, values in losses(one.parent).items():
        assert losses(many.parent)[step] == pytest.approx(values, rel=1e-3)
    straight = losses(many.parent)
    unwind(many.parent, "checkpoint-4")
    run(2, recipe)
    assert losses(many.parent) == straight


def test_what_deepspeed_cannot_do_here_is_refused(base: Path, tmp_path: Path) -> None:
    """Without the library its absence is said."""
    engine = {"zero_optimization": {"stage": 3}, "train_micro_batch_size_per_gpu": "auto"}
    with pytest.raises(UserError, match="trainer(.deepspeed)?: .*(ZeRO-3|[Dd]eep[Ss]peed)"):
        train(write_recipe(base, tmp_path, trainer={"deepspeed": engine}))


@pytest.mark.slow
@pytest.mark.parametrize("again_with", [2, 4])
def test_a_run_goes_on_after_the_kill_of_any_process(base: Path, tmp_path: Path, again_with: int) -> None:
    """The loss curve is the straight run's, also with another number of processes afterwards."""
    settings = {**SGD, "max_steps": 16, "save_strategy": "steps", "save_steps": 3, "learning_rate": 0.02}
    one = train(recipe_in(base, tmp_path / "one", 8, 1, trainer=settings))
    recipe = recipe_in(base, tmp_path / "many", 4, 1, trainer=settings)
    process = start(2, recipe)
    log, last = tmp_path / "many" / "run" / "log.jsonl", random.randrange(4, 12)
    deadline = time.monotonic() + 200
    while not log.is_file() or len(log.read_text().splitlines()) < last:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(int(recipe.with_suffix(f".pid{random.randrange(2)}").read_text()), signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert not (tmp_path / "many" / "run" / "model").exists()
    again = recipe_in(base, tmp_path / "many", 8 // again_with, 1, trainer=settings)
    close(one, run(again_with, again))


def own(base: Path) -> list[dict[str, Any]]:
    return [{"source": "samples", "paths": [str(base / "samples.jsonl")]}]


def unwind(output: Path, checkpoint: str) -> None:
    """Back to before this checkpoint, as a kill would have left it."""
    for path in (output / "model", output / "adapter", output / checkpoint):
        if path.is_dir():
            subprocess.run(["rm", "-r", str(path)], check=True)
    (output / "run.json").unlink()


def test_a_sharded_run_says_what_it_holds(base: Path, tmp_path: Path) -> None:
    """What is put into a model loaded anew is all that training has moved."""
    from mglmm.train.recipe import TrainRecipe
    from mglmm.train.sharding import rebuilt

    recipe = TrainRecipe.model_validate(json.loads(json.dumps({**minimal(base), "output": str(tmp_path)})))
    moved = MGLMMForConditionalGeneration.from_pretrained(base / "model").state_dict()
    moved["seg_projector.0.bias"] = moved["seg_projector.0.bias"] + 1
    whole = rebuilt(recipe, moved).state_dict()
    assert all(torch.equal(whole[name], value) for name, value in moved.items())
    with pytest.raises(RuntimeError, match="have no place in the model, such as nothing"):
        rebuilt(recipe, {"nothing": torch.ones(1)})


def minimal(base: Path) -> dict[str, Any]:
    return {"model": str(base / "model"), "data": own(base), "trainer": {"max_steps": 1}}
