"""Measures an answer of a converted checkpoint against the published way of making it, side by side in one run.

    python -m benchmarks.ask --folder out/ask

Makes a checkpoint in the official layout of MGLMM (Llama 512 x 8 layers, vocabulary of 4096; CLIP 256 x 6 at 224
pixels; SAM 384 x 6 at 512 pixels; random weights, float32), converts it, and answers about a picture of 480 x 640:

* ours: `generate` with its cache, one vector kept for each mask;
* as published: for every token CLIP and the whole language model again over all that has been written.

Both make the same 64 tokens (compared); masks are decoded from the same embeddings. The bar: ours at most a tenth. The
figures are in docs/log.md, beside those of the authors' own code at these sizes.
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tests.model.official import Sizes, write_checkpoint

import mglmm
from mglmm.model.convert import convert
from mglmm.model.convert.layouts import LAYOUTS

SIZES = Sizes(
    vocab=4096,
    text_width=512,
    text_mlp=1376,
    text_layers=8,
    text_heads=8,
    clip_width=256,
    clip_mlp=1024,
    clip_layers=6,
    clip_heads=4,
    clip_image=224,
    sam_width=384,
    sam_mlp=1536,
    sam_layers=6,
    sam_heads=6,
    sam_image=512,
    sam_window=14,
    global_blocks=(1, 3, 5),
    mask_width=256,
    mask_mlp=2048,
)
NUM_TOKENS = 64
PROMPT_TOKENS = 351
"""As in the record of the authors' code; of our prompt, which is longer, the last so many are used."""
NUM_MASKS = 8
INSTRUCTION = "please describe the picture"


def main() -> None:
    """Make the checkpoint if it is not there, measure both ways, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("out/ask"))
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    options = parser.parse_args()
    folder = options.folder / "converted"
    if not folder.exists():
        torch.manual_seed(0)
        convert(write_checkpoint(options.folder / "official", LAYOUTS[0], SIZES), folder)
    predictor = mglmm.load(folder, device="cpu")
    model, processor = predictor.model, predictor.processor
    image = Image.effect_noise((640, 480), 80).convert("RGB")
    inputs = processor.prompt([image], [[(INSTRUCTION, None)]])
    for name in ("input_ids", "attention_mask"):
        inputs[name] = inputs[name][:, -PROMPT_TOKENS:]
    print(f"prompt of {inputs['input_ids'].shape[1]} tokens, answer of {NUM_TOKENS}, {torch.get_num_threads()} threads")
    seconds, answers = {}, {}
    for name, way in {"ours": ours, "as published": as_published}.items():
        seconds[name], answers[name] = fastest(lambda way=way: way(model, inputs), options.repeats)
        print(f"{name}: {seconds[name]:.2f} s")
    if answers["ours"] != answers["as published"]:
        raise SystemExit("the two ways give other tokens")
    print(f"ours takes 1 / {seconds['as published'] / seconds['ours']:.1f}")
    encoding, features = fastest(lambda: predictor.encode([image]), options.repeats)
    prompts = torch.randn(NUM_MASKS, SIZES.mask_width)
    index = torch.zeros(NUM_MASKS, dtype=torch.long)
    with torch.inference_mode():
        decoding, _ = fastest(lambda: model.decode_masks(features, index, prompts), options.repeats)
    print(f"grounding encoder {encoding:.2f} s, {NUM_MASKS} masks {decoding:.2f} s, the same in both")


def fastest(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The shortest time of several runs in seconds, and what the last one returned."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


@torch.inference_mode()
def ours(model: Any, inputs: Any) -> list[int]:
    """The tokens of an answer by `generate`."""
    settings = copy.deepcopy(model.generation_config)
    settings.min_new_tokens = settings.max_new_tokens = NUM_TOKENS
    output = model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        pixel_values=inputs["pixel_values"],
        generation_config=settings,
    )
    return output[0, inputs["input_ids"].shape[1] :].tolist()


@torch.inference_mode()
def as_published(model: Any, inputs: Any) -> list[int]:
    """The tokens of an answer, each by a pass over everything."""
    ids = inputs["input_ids"]
    config = model.generation_config
    never = [*(config.suppress_tokens or ()), config.eos_token_id]
    for _ in range(NUM_TOKENS):
        logits = model.lmm(input_ids=ids, pixel_values=inputs["pixel_values"], use_cache=False).logits[:, -1]
        logits[:, never] = -torch.inf
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
    return ids[0, inputs["input_ids"].shape[1] :].tolist()


if __name__ == "__main__":
    main()
