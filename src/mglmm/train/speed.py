"""How fast a run is: images a second, floating-point operations, waiting for data, memory."""

import resource
import sys
import time
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mglmm.model import MGLMMForConditionalGeneration, families
from mglmm.model.footprint import LiveBytes
from mglmm.train.selection import bare_name

PEAK_FLOPS = {
    "A100": 312e12,
    "A10": 125e12,
    "A40": 149.7e12,
    "L4": 121e12,
    "L40S": 362e12,
    "H100": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H200": 989e12,
    "B200": 2250e12,
    "RTX 3090": 71e12,
    "RTX 4090": 165.2e12,
}
"""Operations a second of dense bfloat16 products, from the makers' data sheets."""

UNITS = ("image", "encoded image", "token", "mask")
"""`encoded image`: one that the grounding encoder runs on; features that are kept cost nothing."""


@dataclass(frozen=True)
class Work:
    """Floating-point operations of a training step for one of each of `UNITS`, recomputed activations not counted."""

    flops: tuple[float, ...]

    @classmethod
    def of(cls, model: Any, processor: Any) -> "Work":
        """Counted on the meta device, for an image of 480 x 640.

        A weight that is trained costs its forward product twice more in the backward pass, a frozen one behind a
        trained one once more. The language model counts 2 for each weight and token (attention left out).

        Args:
            model: what is trained; its frozen weights require no gradient. It may have adapters.
        """
        with torch.device("meta"):
            shape = MGLMMForConditionalGeneration(model.config).eval()
        share = _trained_shares(model, shape)
        inputs, _ = processor.look(Image.new("RGB", (640, 480)))
        pixels, others = inputs["pixel_values"], {k: v for k, v in inputs.items() if k != "pixel_values"}
        side = processor.frame_side
        with torch.no_grad(), LiveBytes():
            with FlopCounterMode(display=False) as look:
                families.look(shape.lmm, pixels, others, None)
            with FlopCounterMode(display=False) as encode:
                features = shape.encode_grounding(torch.zeros(1, 3, side, side, device="meta"))
            with FlopCounterMode(display=False) as decode:
                prompt = torch.zeros(1, shape.seg_projector.out_dim, device="meta")
                shape.decode_masks(features, torch.zeros(1, dtype=torch.long, device="meta"), prompt)
        decoder = sum(p.numel() for p in shape.lmm.get_decoder().parameters())
        head = shape.get_output_embeddings().weight.numel()
        embedding = shape.get_input_embeddings().weight.numel()
        return cls(
            (
                look.get_total_flops() * (1 + 2 * share["look"]),
                encode.get_total_flops() * (1 + 2 * share["encode"]),
                2.0 * (decoder - embedding + head) * (2 + share["text"]),
                decode.get_total_flops() * (2 + share["masks"]),
            )
        )


def _trained_shares(model: nn.Module, shape: MGLMMForConditionalGeneration) -> dict[str, float]:
    """Of each part's weights, the share that is trained."""
    family = shape.family
    look = tuple(f"lmm.{name}." for name in (family.vision_tower, *family.projector))

    def _part(name: str) -> str:
        """The part that a weight belongs to."""
        if name.startswith(look):
            return "look"
        return "text" if name.startswith("lmm.") else "encode" if name.startswith("sam.vision_encoder.") else "masks"

    whole, trained = (dict.fromkeys(("look", "encode", "text", "masks"), 0) for _ in range(2))
    for name, weight in shape.named_parameters():
        whole[_part(name)] += weight.numel()
    for name, weight in model.named_parameters():
        trained[_part(bare_name(name))] += weight.numel() * weight.requires_grad
    return {name: min(1.0, trained[name] / max(whole[name], 1)) for name in whole}


class Speed:
    """Takes the time of a run from log to log."""

    def __init__(self, work: Work | None, device: torch.device) -> None:
        self._work = work
        self._units = torch.zeros(len(UNITS), device=device)
        self._peak = _peak_flops(device)
        self._waited = 0.0
        self._then, self._step = time.monotonic(), 0

    def start(self, step: int) -> None:
        """Begin at this step, now."""
        self._then, self._step, self._waited = time.monotonic(), step, 0.0
        self._units.zero_()

    def pause(self, seconds: float) -> None:
        """So long something else was done than training."""
        self._then += seconds

    def wait(self, seconds: float) -> None:
        """So long training waited for data."""
        self._waited += seconds

    def add(self, batch: dict[str, Any], num_images: int) -> None:
        """Count the work of a micro-batch, as the collator made it."""
        encoded = batch.get("grounding_pixel_values", ())
        tokens: Any = 0
        if "position_ids" in batch:  # packed: the first token of a row stands at 0, and so does its padding
            tokens = (batch["position_ids"] > 0).sum() + len(batch["position_ids"])
        elif "attention_mask" in batch:
            tokens = batch["attention_mask"].sum()
        counts = (num_images, len(encoded), tokens, len(batch.get("mask_labels", ())))
        for unit, count in enumerate(counts):
            self._units[unit] += count

    def figures(self, step: int, images_per_step: int) -> dict[str, float]:
        """Images a second of all processes, the rest of this one, since the last call (`docs/training.md`)."""
        seconds = max(time.monotonic() - self._then, 1e-9)
        found = {
            "samples_per_s": (step - self._step) * images_per_step / seconds,
            "data_wait_share": min(1.0, self._waited / seconds),
            "peak_memory_gib": _peak_memory() / 2**30,
        }
        if self._work is not None:
            flops = sum(count * each for count, each in zip(self._units.tolist(), self._work.flops, strict=True))
            found["tflops_per_s"] = flops / seconds / 1e12
            if self._peak is not None:
                found["mfu"] = flops / seconds / self._peak
        self.start(step)
        return found


def _peak_flops(device: torch.device) -> float | None:
    """Of the device, if it is one of `PEAK_FLOPS`."""
    return known_peak(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def known_peak(card: str) -> float | None:
    """Of the card that CUDA calls so, as "NVIDIA A100-SXM4-80GB". Whole words count ("L40" is no "L4"), and the longest
    name."""
    words = f" {card.replace('-', ' ')} "
    fitting = [kind for kind in PEAK_FLOPS if f" {kind} " in words]
    return PEAK_FLOPS[max(fitting, key=len)] if fitting else None


def _peak_memory() -> int:
    """Bytes: the most that was allocated on the CUDA device, or else the most that this process held."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else 1024 * held
