"""What the machine can do at most, measured; and how near an answer comes to it.

    python -m benchmarks.roofline --model default | small | 7b-random

Writing a token must read every weight of the language model: its bound is memory bandwidth. Encoders and training steps
are bound by multiplications. Both limits are measured here (a copy of 1 GB, or less on a CPU; products of large square
matrices), not taken from a data sheet. The bars on a GPU, for `7b-random`: 70 % of the bandwidth at batch 1, a batch of
16 at 8 times the tokens of batch 1, SAM ViT-H at 40 % of the peak, a step of LoRA training likewise.
"""

from typing import Any

import torch
from benchmarks import models, script
from benchmarks.ask import SEED, TURNS, synced
from benchmarks.timing import fastest, table
from torch.utils.flop_counter import FlopCounterMode

from mglmm.data.collate import Collator
from mglmm.data.mixture import Mixture, WorldSource
from mglmm.model.lora import add_lora
from mglmm.predict import Predictor
from mglmm.train.speed import Speed, Work
from mglmm.world.samples import world_sample

NUM_TOKENS = 64
BATCHES = (1, 16)
TRAINED_IMAGES = 4
"""Of a training step, with four conversations each."""
LORA = {"r": 8, "lora_alpha": 16, "target_modules": r"lmm\..*language_model\..*\.(q_proj|v_proj)"}


def main() -> None:
    """Print the table of one model."""
    options = models.options(__doc__)
    predictor = models.load(options.model)
    print(f"### Against the limits of the machine, `{options.model}`\n")
    print(against_limits(predictor, options.repeats))


def against_limits(predictor: Predictor, repeats: int) -> str:
    """Tokens a second against the bandwidth, the grounding encoder and a training step against the peak."""
    model = predictor.model
    gigabytes, teraflops = bandwidth(model.device, repeats), peak(model.device, model.dtype, repeats)
    layers = sum(p.nbytes for p in model.lmm.get_decoder().layers.parameters())
    weights = layers + model.get_output_embeddings().weight.nbytes
    rows: list[tuple[str, str]] = [
        ("memory bandwidth, GB/s", f"{gigabytes:.0f}"),
        ("peak of multiplications, TFLOP/s", f"{teraflops:.2f}"),
    ]
    for batch in BATCHES:
        tokens = batch / seconds_of_token(predictor, batch, repeats)
        bound = gigabytes * 1e9 / weights * batch
        rows.append((f"tokens/s, batch {batch} (share of its bound)", f"{tokens:.0f} ({tokens / bound:.0%})"))
    pixels = predictor.processor.grounding_pixels([world_sample(SEED, 640)[0]]).to(model.device)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            model.encode_grounding(pixels)
        taken, _ = fastest(lambda: synced(lambda: model.encode_grounding(pixels)), repeats)
    reached = counter.get_total_flops() / taken / 1e12
    rows.append(("grounding encoder, TFLOP/s (share of the peak)", f"{reached:.2f} ({reached / teraflops:.0%})"))
    reached = trained_teraflops(predictor, repeats)
    rows.append(("step of LoRA training, TFLOP/s (share of the peak)", f"{reached:.2f} ({reached / teraflops:.0%})"))
    return table(("what", "measured"), rows)


def bandwidth(device: torch.device, repeats: int) -> float:
    """GB/s that a copy reads and writes."""
    source = torch.ones(2**28 if device.type == "cuda" else 2**25, device=device)
    target = torch.empty_like(source)
    taken, _ = fastest(lambda: synced(lambda: target.copy_(source)), max(repeats, 5))
    return 2 * source.nbytes / taken / 1e9


def peak(device: torch.device, dtype: torch.dtype, repeats: int) -> float:
    """TFLOP/s of the product of two large square matrices."""
    side = 8192 if device.type == "cuda" else 1024
    one = torch.randn(side, side, device=device, dtype=dtype)
    taken, _ = fastest(lambda: synced(lambda: one @ one), max(repeats, 5))
    return 2 * side**3 / taken / 1e12


@torch.inference_mode()
def seconds_of_token(predictor: Predictor, batch: int, repeats: int) -> float:
    """Seconds that one step of a batch takes, behind a prompt with a picture."""
    ids = script.answer_of(predictor, NUM_TOKENS, 0)
    image = world_sample(SEED, 640)[0]
    inputs: Any = predictor.processor.prompt([image] * batch, [[(TURNS[0], None)]] * batch)
    inputs = inputs.to(predictor.model.device, dtype=predictor.model.dtype)
    steps = []
    for _ in range(repeats):
        decoding = script.scripted(predictor, ids)._decoding
        decoding.start(**inputs, limits=[NUM_TOKENS] * batch)
        taken, _ = fastest(
            lambda decoding=decoding: synced(lambda: [decoding.step() for _ in range(NUM_TOKENS // 2)]), 1
        )
        steps.append(taken / (NUM_TOKENS // 2))
    return min(steps)


def trained_teraflops(predictor: Predictor, repeats: int) -> float:
    """TFLOP/s of a step that trains LoRA, the projector of prompts and the mask decoder, counted as training counts
    them (`mglmm.train.speed.Work`). The predictor's model keeps the adapters."""
    processor = predictor.processor
    model = add_lora(predictor.model, LORA, ["seg_projector", r"sam\.mask_decoder"]).train()
    data = Mixture(
        {"world": WorldSource(world_sample)}, {"world": 1.0}, length=TRAINED_IMAGES, conversations_per_image=4
    )
    batch = Collator(processor, packed=True)([data[index] for index in range(TRAINED_IMAGES)])
    speed = Speed(Work.of(model, processor), predictor.model.device)
    inputs = {name: _on_device(tensor, predictor.model) for name, tensor in batch.items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def step() -> None:
        model(**inputs).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    synced(step)  # the first one allocates
    best = 0.0
    for _ in range(repeats):
        speed.start(0)
        synced(step)
        speed.add(batch, TRAINED_IMAGES)
        best = max(best, speed.figures(1, TRAINED_IMAGES)["tflops_per_s"])
    return best


def _on_device(tensor: torch.Tensor, model: Any) -> torch.Tensor:
    """The tensor where the model lies; pictures in its type."""
    moved = tensor.to(model.device)
    return moved.to(model.dtype) if moved.is_floating_point() else moved


if __name__ == "__main__":
    main()
