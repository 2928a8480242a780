"""Measures a training step against the plain LoRA step of the language model, and an epoch with cached features.

    python -m benchmarks.train_step --folder out/train-step

Makes the checkpoint `small` of `benchmarks.models` with SAM at 1024 pixels (Llama 512 x 8 layers, CLIP 256 x 6 at 224
pixels, SAM 384 x 6; random weights, float32) and `--images` pictures of the world, and trains LoRA, `seg_projector` and
the mask decoder on them, two images a step, three referring conversations each in one packed row. The encoder does
two thirds of the operations, as SAM ViT-H does beside a language model of 0.5 to 1 billion weights; beside 7 billion it
does 20 %.

* plain: the language model alone, the same rows, LoRA: forward, backward, AdamW;
* ours, the frozen grounding encoder running in every step;
* ours with `cache_grounding`: a run of an epoch that fills the cache, and one that reads it.

The bars: an epoch with cached features at least twice as fast as one without, data wait below 5 % of the step. The
figures are in docs/log.md.
"""

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from benchmarks.models import SMALL
from peft import LoraConfig, get_peft_model
from tests.model.official import write_checkpoint
from torch.nn.functional import cross_entropy

from mglmm.data.collate import IGNORED, Collator
from mglmm.data.mixture import Mixture, SampleSource
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.convert import convert
from mglmm.model.convert.layouts import LAYOUTS
from mglmm.schema import write_jsonl
from mglmm.train import train
from mglmm.world.samples import world_sample

LORA = {"r": 8, "lora_alpha": 16, "target_modules": r"lmm\..*language_model\..*\.(q_proj|v_proj)"}
BATCH = 2


def main() -> None:
    """Make what is missing, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("out/train-step"))
    parser.add_argument("--images", type=int, default=8, help="an epoch")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    model, samples = prepare(options.folder, options.images)
    print(f"{options.images} images, {BATCH} a step, {torch.get_num_threads()} threads, {options.workers} worker(s)")
    print(f"plain LoRA step of the language model: {plain(model, samples, options.images):.2f} s")
    cache = options.folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    for name, features in (("ours", None), ("ours, filling the cache", cache), ("ours, cached", cache)):
        seconds, wait = trained(options, model, samples, features)
        print(f"{name}: {seconds:.2f} s a step, data wait {100 * wait:.1f} %")


def prepare(folder: Path, num_images: int) -> tuple[Path, Path]:
    """The folder of the model and the file of the samples; made if they are not there."""
    model, samples = folder / "converted", folder / f"{num_images}.jsonl"
    if not model.exists():
        torch.manual_seed(0)
        convert(write_checkpoint(folder / "official", LAYOUTS[0], replace(SMALL, sam_image=1024)), model)
    if not samples.exists():
        records = []
        for seed in range(num_images):
            image, sample = world_sample(seed, 512)
            image.save(folder / f"{seed}.png")
            turns = tuple(turn for turn in sample.turns if turn.task == "referring")[:3]
            records.append(sample.model_copy(update={"image": f"{seed}.png", "turns": turns}))
        write_jsonl(samples, records)
    return model, samples


def plain(folder: Path, samples: Path, num_images: int) -> float:
    """Seconds of a step of the language model alone over one epoch, its batches made before."""
    whole = MGLMMForConditionalGeneration.from_pretrained(folder)
    collator = Collator(MGLMMProcessor.from_pretrained(folder), packed=True)
    data = Mixture({"a": SampleSource([samples])}, {"a": 1.0}, length=num_images, conversations_per_image=3)
    batches = [collator([data[k] for k in range(start, start + BATCH)]) for start in range(0, num_images, BATCH)]
    model: Any = get_peft_model(whole, LoraConfig(**LORA)).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    names = ("input_ids", "attention_mask", "position_ids", "pixel_values", "row_image_index")
    started = time.monotonic()
    for batch in batches:
        logits = model(**{name: batch[name] for name in names}).logits[:, :-1]
        cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED).backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.monotonic() - started) / len(batches)


def trained(options: argparse.Namespace, model: Path, samples: Path, cache: Path | None) -> tuple[float, float]:
    """Seconds of a step and share of waiting, from the log of a run of one epoch."""
    output = options.folder / "run"
    steps = options.images // BATCH
    shutil.rmtree(output, ignore_errors=True)
    recipe = {
        "output": str(output),
        "model": str(model),
        "data": [{"source": "samples", "paths": [str(samples)]}],
        "conversations_per_image": 3,
        "packed": True,
        "lora": LORA,
        "trainable": ["seg_projector", r"sam\.mask_decoder"],
        "cache_grounding": None if cache is None else str(cache),
        "trainer": {
            "max_steps": steps,
            "per_device_train_batch_size": BATCH,
            "logging_steps": steps,
            "dataloader_num_workers": options.workers,
            "report_to": [],
            "learning_rate": 1e-4,
        },
    }
    path = options.folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    train(path)
    records = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    speed = next(record for record in records if "samples_per_s" in record)
    return BATCH / speed["samples_per_s"], speed["data_wait_share"]


if __name__ == "__main__":
    main()
