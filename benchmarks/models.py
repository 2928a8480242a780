"""The models that the benchmarks ask.

`default`: the one in the package. `small`: a made checkpoint in the shapes that the authors' code was timed at.
`7b-random`: the published shapes (Vicuna 7B, CLIP ViT-L/14 at 336, SAM ViT-H), random weights in bfloat16, on a GPU.
"""

import argparse
from pathlib import Path

import torch
from tests.model.official import Sizes, write_checkpoint
from tests.model.test_full_size import config_of, processor_of
from transformers import GenerationConfig

import mglmm
from mglmm.model import MGLMMForConditionalGeneration
from mglmm.model.convert import convert
from mglmm.model.convert.layouts import LAYOUTS
from mglmm.predict import Predictor

PAIR = ("llava-hf/llava-1.5-7b-hf", "facebook/sam-vit-huge")

PHRASE_BIAS = 4.0
"""Added to the logits of `<p>`, twice as much to those of `</p>`; gives some masks in an answer of 64 random tokens."""

MODELS = ("default", "small", "7b-random")

SMALL = Sizes(
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
"""Llama 512 x 8 layers, vocabulary of 4096; CLIP 256 x 6 at 224 pixels; SAM 384 x 6 at 512 pixels."""


def options(about: str | None, repeats: int = 5, **flags: str) -> argparse.Namespace:
    """What a benchmark is asked on the command line: model, repeats and threads, which are set at once.

    Args:
        about: the help text.
        repeats: the default.
        flags: further switches by name, with the help text of each.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="default")
    parser.add_argument("--repeats", type=int, default=repeats, help="the fastest counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    for flag, text in flags.items():
        parser.add_argument(f"--{flag}", action="store_true", help=text)
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    return found


def load(name: str, folder: Path = Path("out/bench")) -> Predictor:
    """The model of one of these names, on the CPU in float32 (`7b-random`: on the GPU in bfloat16)."""
    if name == "default":
        return mglmm.load("default", device="cpu")
    if name == "small":
        return _talking(mglmm.load(_converted(folder), device="cpu"))
    if not torch.cuda.is_available():
        raise SystemExit("7b-random needs a GPU; on a CPU take default or small")
    return _random_7b()


def compiled(name: str) -> Predictor:
    """Another one of the same weights, its writing of tokens compiled by now."""
    predictor = load(name)
    predictor.model.compile_decoder()
    predictor.warm_up()
    return predictor


def _converted(folder: Path) -> Path:
    """The converted small checkpoint, made if it is not there."""
    target = folder / "small"
    if not target.exists():
        torch.manual_seed(0)
        convert(write_checkpoint(folder / "small-official", LAYOUTS[0], SMALL), target)
    return target


def _talking(predictor: Predictor) -> Predictor:
    """The model of random weights, its markup kept well formed, and with a liking for short phrases."""
    config = predictor.model.config
    config.constrain_markup = True
    bias = [[[config.phrase_start_token_id], PHRASE_BIAS], [[config.phrase_end_token_id], 2 * PHRASE_BIAS]]
    predictor.model.generation_config.sequence_bias = bias
    return predictor


def _random_7b(num_text_layers: int = 32, num_mask_layers: int = 32, device: str = "cuda") -> Predictor:
    """LLaVA-1.5 7B joined with SAM ViT-H, random weights in bfloat16, with a tiny tokenizer of the same tokens."""
    config, processor = config_of(*PAIR), processor_of(*PAIR)
    tokenizer = processor.tokenizer
    token_id = tokenizer.convert_tokens_to_ids
    config.phrase_start_token_id, config.phrase_end_token_id = map(token_id, ("<p>", "</p>"))
    config.seg_token_id, config.constrain_markup = token_id("[SEG]"), True
    config.lmm_config.image_token_id = token_id(processor.image_token)
    config.lmm_config.text_config.num_hidden_layers = num_text_layers
    config.sam_config.vision_config.num_hidden_layers = num_mask_layers
    config.dtype = torch.bfloat16
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = MGLMMForConditionalGeneration(config)
        torch.set_default_dtype(torch.float32)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    return Predictor(model, processor)
