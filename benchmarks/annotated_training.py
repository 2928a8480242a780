"""Is data that the pipeline made as good to learn from as the exact truth?

    python -m benchmarks.annotated_training --images 1600 --steps 400 --questions 200 --out out/annotated-training

Three models are trained from the same start, for as many steps, on the same pictures of the procedural world, with the
task "mgsc" alone, and scored with `mglmm eval world-mgsc` on held-out pictures:

* truth: captions and masks of the world itself;
* pipeline: what `mglmm annotate world:0:N` (recipes/annotate/mgscdata.yaml) makes of them: its tree, its captions, and
  nothing of what it leaves out. Of each picture at most as many conversations as the truth has, the first ones (that
  of the whole picture, then mostly those of the largest things): it tells more things with parts than the world
  does, and the models would see whole pictures unequally often;
* blind: the pipeline's data, each picture replaced by another. What this one scores can be had without looking.

The start is the model in the package, which knows the world already, with a new language model: all decoder layers
have random weights, so that it can neither describe nor ask for masks. What sees (both encoders) and what masks (the
decoder) stay, and the encoders are frozen; so what is scored is what the data have taught. A step takes 2 s of CPU;
after 40 steps all models still score below 0.03, which compares nothing. Chosen over a fine-tuning of the model as it
is: where nothing is left to learn, all data seem equally good.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from torch import nn

from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.run import run
from mglmm.config import load_recipe
from mglmm.eval.run import measures_of, run_benchmark
from mglmm.eval.samples import Inputs
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.loading import source_folder
from mglmm.schema import Sample, read_jsonl, write_jsonl
from mglmm.train import train
from mglmm.world.samples import world_sample

ROOT = Path(__file__).resolve().parents[1]
FIRST_SEED = 2**30 + 30_000
"""Held-out pictures that nobody chose."""
DATA = ("truth", "pipeline", "blind")
RECIPE: dict[str, Any] = {
    "conversations_per_image": 2,
    "packed": True,
    "grounded_share": 0.5,
    "trainable": [
        r"lmm\.model\.(language_model|multi_modal_projector)",
        "seg_projector",
        "prompt_similarity",
        r"sam\.mask_decoder",
    ],
    "lr_groups": {r"sam\..*": 0.4, r"lmm\.model\.multi_modal_projector.*": 0.5},
    "loss": {"lm": 1.0, "bce": 2.0, "dice": 1.5, "iou": 0.1},
    "trainer": {
        "per_device_train_batch_size": 8,
        "learning_rate": 1.0e-3,
        "warmup_steps": 15,
        "lr_scheduler_type": "cosine",
        "adam_beta2": 0.95,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "report_to": [],
    },
    "seed": 5,
}
"""As recipes/train/default-2-joint.yaml, without what a few minutes cannot train."""


def make_data(images: int, out: Path) -> dict[str, Path]:
    """The three files of samples about the world's first `images` pictures."""
    recipe = load_recipe(ROOT / "recipes" / "annotate" / "mgscdata.yaml", AnnotateRecipe, ["export.forms=[]"])
    made = out / "data"
    run(f"world:0:{images}", made, recipe)
    truth = []
    for seed in range(images):
        sample = world_sample(seed)[1]
        turns = tuple(turn for turn in sample.turns if turn.task == "mgsc")
        truth.append(sample.model_copy(update={"turns": turns}))
    write_jsonl(made / "truth.jsonl", truth)
    annotated = [
        sample.model_copy(update={"turns": sample.turns[: len(true.turns)]})
        for sample, true in zip(read_jsonl(made / "samples.jsonl", Sample), truth, strict=True)
    ]
    write_jsonl(made / "pipeline.jsonl", annotated)
    (made / "other-images").mkdir(exist_ok=True)
    blind = []
    for sample, other in zip(annotated, [*annotated[1:], annotated[0]], strict=True):
        image = f"other-images/{sample.id}.png"
        height, width = sample.size
        Image.open(made / other.image).resize((width, height)).save(made / image)
        blind.append(sample.model_copy(update={"image": image}))
    write_jsonl(made / "blind.jsonl", blind)
    return dict(zip(DATA, (made / f"{name}.jsonl" for name in DATA), strict=True))


def make_start(folder: Path) -> None:
    """The model in the package with new decoder layers in its language model."""
    torch.manual_seed(0)
    model = MGLMMForConditionalGeneration.from_pretrained(source_folder("default")).float()
    spread = model.config.lmm_config.text_config.initializer_range
    for layer in model.lmm.model.language_model.layers.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=spread)
        elif (weight := getattr(layer, "weight", None)) is not None:
            nn.init.ones_(weight)
    model.save_pretrained(folder)
    MGLMMProcessor.from_pretrained(source_folder("default")).save_pretrained(folder)


def measure(name: str, model: Path, pictures: int, questions: int, out: Path) -> dict[str, Any]:
    """Scores of a model on held-out pictures."""
    result = run_benchmark(
        "world-mgsc",
        model=str(model),
        out=out / "eval" / name,
        inputs=Inputs((FIRST_SEED, FIRST_SEED + pictures), None, None),
        measures=measures_of("world-mgsc", captions=False),
        limit=questions,
        loading={},
        batch_size=16,
        max_new_tokens=300,
    )
    assert result is not None
    return {
        group: {form: {k: v["value"] for k, v in scores[form].items()} for form in ("official", "corrected")}
        for group, scores in result["groups"].items()
    }


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Train the models and score them."""
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    files = make_data(options.images, out)
    start = out / "start"
    if not (start / "config.json").is_file():
        make_start(start)
    found: dict[str, Any] = {"images": options.images, "steps": options.steps}
    models = {"start": start}
    for name in options.data:
        began, cpu = time.perf_counter(), time.process_time()
        recipe = {
            **RECIPE,
            "model": str(start),
            "output": str(out / name),
            "data": [{"source": "samples", "paths": [str(files[name])]}],
            "trainer": {**RECIPE["trainer"], "max_steps": options.steps},
        }
        path = out / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        models[name] = train(path)
        found[f"{name}: training"] = {
            "seconds": round(time.perf_counter() - began, 1),
            "CPU seconds": round(time.process_time() - cpu, 1),
        }
    for name, model in models.items():
        found[name] = measure(name, model, options.questions, options.questions, out)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print it and write it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--steps", type=int, default=400, help="of 8 pictures")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("out/annotated-training"))
    options = parser.parse_args(arguments)
    found = compare(options)
    print(json.dumps(found, indent=1))
    (options.out / "scores.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
