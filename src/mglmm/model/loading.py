"""A model and its processor from a folder, the hub or the package: on any device, whole, quantised, with an adapter."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import snapshot_download
from torch import nn

from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.errors import WRONG_FILES, first_line
from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration
from mglmm.model.processing_mglmm import MGLMMProcessor
from mglmm.schema import UserError

KEPT_WHOLE = ["sam", "seg_projector", "prompt_similarity", "lm_head", "embed_tokens"]
"""Modules that quantisation leaves alone: what makes the masks, and the token embedding with the head. Ours."""

_MODEL_FILES = ["*.json", "*.jinja", "*.model", "*.safetensors", "*.txt"]
"""What a model needs of its repository on the hub."""


DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    Attributes:
        device: e.g. "cpu", "cuda:0", "mps"; None: the accelerator if there is one, else the CPU; "auto": the layers of
            the language model that do not fit on it go to the next, the CPU, or stay on the disk.
        dtype: of the weights, a name of `DTYPES` or torch's own; None: float32 on the CPU, bfloat16 elsewhere.
        quantize: a name of `QUANTIZATIONS`; what makes the masks stays in `dtype`, all on one device. None: not at all.
        attention: transformers' name of how attention is computed, e.g. "sdpa", "eager", "flash_attention_2".
        adapter: folder of LoRA weights that training has saved; merged, unless the model is quantised.
        compiled: have torch compile the writing of tokens (`MGLMMForConditionalGeneration.compile_decoder`).
    """

    device: str | torch.device | None = None
    dtype: str | torch.dtype | None = None
    quantize: str | None = None
    attention: str | None = None
    adapter: str | Path | None = None
    compiled: bool = False


def load_model(name_or_path: str | Path, how: Loading) -> tuple[MGLMMForConditionalGeneration, MGLMMProcessor]:
    """The model in the package ("default"), in a folder, or with a hub id ("owner/name").

    Raises:
        UserError: there is no such model, device or adapter, the folder does not hold a whole model, or what is asked
            for needs a library or a device that is not here.
    """
    if how.device == "auto" and how.quantize is not None:
        raise UserError("device auto: a quantised model stays on one device; name that device")
    place = device_called(None if how.device == "auto" else how.device)
    options: dict[str, Any] = {"dtype": _dtype(how.dtype, place)}
    if how.attention is not None:
        options["attn_implementation"] = how.attention
    if how.quantize is not None:
        options |= {"quantization_config": _quantization(how.quantize, options["dtype"], place), "device_map": place}
    if how.device == "auto":
        config = read_config(name_or_path)
        with _told(name_or_path):
            options["device_map"] = _spread(config, options["dtype"], place)
    model: Any
    model, processor = read_model(name_or_path, **options)
    _check_widths(model, how.quantize, place)
    if how.adapter is not None:
        model = _with_adapter(model, Path(how.adapter), merged=how.quantize is None)
    if "device_map" not in options:
        model = model.to(place)
        if place.type == "cpu":
            model.put_channels_last()
    if how.compiled:
        model.compile_decoder()
    return model, processor


def read_model(
    name_or_path: str | Path, *, may_lack: str = "", **options: Any
) -> tuple[MGLMMForConditionalGeneration, MGLMMProcessor]:
    """The model in the package, in a folder or with a hub id, as its files have it; its processor.

    Args:
        may_lack: regular expression for the names of weights that may be missing, and then begin as in a new model.
        options: of `from_pretrained`.

    Raises:
        UserError: there is no such model, or the folder does not hold a whole one.
    """
    source = source_folder(name_or_path)
    with _told(name_or_path):
        processor = MGLMMProcessor.from_pretrained(source)
        ours: Any = MGLMMForConditionalGeneration
        model, report = ours.from_pretrained(source, output_loading_info=True, **options)
    if missing := sorted(name for name in report["missing_keys"] if not re.fullmatch(may_lack, name)):
        raise UserError(f"model {name_or_path}: {len(missing)} weights are missing, such as {missing[0]}; get it anew")
    return model, processor


def read_config(name_or_path: str | Path) -> MGLMMConfig:
    """The configuration of such a model; UserError if there is none."""
    source = source_folder(name_or_path)
    with _told(name_or_path):
        return MGLMMConfig.from_pretrained(source)


@contextmanager
def _told(name_or_path: str | Path) -> Iterator[None]:
    """Inside, what libraries say of a model's files becomes one line of ours."""
    try:
        yield
    except WRONG_FILES as error:
        raise UserError(f"model {name_or_path}: cannot be loaded ({first_line(error)})") from error


def device_called(device: str | torch.device | None) -> torch.device:
    """The device of a name (None: the accelerator if there is one, else the CPU); UserError if it is not to be had."""
    if device is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        place = torch.device(device)
        torch.empty(1, device=place).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {device}: not to be had here ({first_line(error)})") from error
    return place


def _spread(config: MGLMMConfig, dtype: torch.dtype, first: torch.device) -> dict[str, int | str]:
    """Where each module goes: the language model's layers fill one device after the other, all else is on `first`."""
    _need("accelerate", "train", "device auto")
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_max_memory

    with torch.device("meta"):
        model = MGLMMForConditionalGeneration(config).to(dtype=dtype)  # type: ignore[call-arg]
    beside = {name: module for name, module in model.named_children() if name != "lmm"}
    # accelerate counts CUDA's devices and calls the others by name
    memory, key = get_max_memory(), first.type if first.type in ("cpu", "mps") else first.index or 0
    memory[key] -= sum(value.nbytes for module in beside.values() for value in module.state_dict().values())
    places = infer_auto_device_map(
        model.lmm, memory, no_split_module_classes=list(model._no_split_modules or ()), dtype=dtype
    )
    return {f"lmm.{name}".removesuffix("."): place for name, place in places.items()} | dict.fromkeys(beside, key)


def _dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise UserError(f"dtype {dtype}: no such type of weights; there are {', '.join(DTYPES)}")
    return DTYPES[dtype]


def _bitsandbytes_8bit(dtype: torch.dtype) -> Any:
    """LLM.int8(). Source: arXiv 2208.07339."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=KEPT_WHOLE)


def _bitsandbytes_4bit(dtype: torch.dtype) -> Any:
    """NF4. Source: arXiv 2305.14314."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, llm_int8_skip_modules=KEPT_WHOLE
    )


def _torchao_8bit(dtype: torch.dtype) -> Any:
    """Weights alone, a scale for each row."""
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=KEPT_WHOLE)


def _torchao_4bit(dtype: torch.dtype) -> Any:
    """Weights alone, a scale for each 128 of a row, packed for torch's own CUDA kernel."""
    from torchao.quantization import Int4WeightOnlyConfig
    from transformers import TorchAoConfig

    config = Int4WeightOnlyConfig(group_size=128, int4_packing_format="tile_packed_to_4d")
    return TorchAoConfig(config, modules_to_not_convert=KEPT_WHOLE)


class _Quantization(NamedTuple):
    """The library that quantises, its settings for weights that are computed in a type, and the devices it runs on."""

    library: str
    settings: Callable[[torch.dtype], Any]
    devices: tuple[str, ...]


QUANTIZATIONS = {
    "bnb-8bit": _Quantization("bitsandbytes", _bitsandbytes_8bit, ("cpu", "cuda", "xpu")),
    "bnb-4bit": _Quantization("bitsandbytes", _bitsandbytes_4bit, ("cpu", "cuda", "xpu")),
    "torchao-8bit": _Quantization("torchao", _torchao_8bit, ("cpu", "cuda", "xpu", "mps")),
    "torchao-4bit": _Quantization("torchao", _torchao_4bit, ("cuda",)),
}
"""What `Loading.quantize` may be."""


def _quantization(name: str, dtype: torch.dtype, device: torch.device) -> Any:
    if name not in QUANTIZATIONS:
        raise UserError(f"quantization {name}: there is no such; there are {', '.join(QUANTIZATIONS)}")
    library, settings, devices = QUANTIZATIONS[name]
    if device.type not in devices:
        raise UserError(f"quantization {name}: runs on {', '.join(devices)}, not on {device.type}; choose another")
    for needed in (library, "accelerate"):
        _need(needed, "quantize", f"quantization {name}")
    return settings(dtype)


def _check_widths(model: nn.Module, quantization: str | None, device: torch.device) -> None:
    """Nothing, if the layers' widths are such that the library that quantised them can also compute with them."""
    if quantization != "bnb-4bit" or device.type != "cpu":
        return
    from bitsandbytes.nn import Linear4bit

    layers = {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    for name, layer in layers.items():
        weight: Any = layer.weight
        # only its kernel for processors with bfloat16 units asks for whole blocks
        if layer.support_avx512bf16_for_cpu and layer.in_features % weight.blocksize:
            raise UserError(
                f"quantization {quantization}: on this processor widths must be multiples of {weight.blocksize}, but "
                f"{name} has {layer.in_features}; choose another"
            )


def _with_adapter(model: Any, folder: Path, merged: bool) -> Any:
    """The model with the LoRA weights of a folder, folded into its own or beside them."""
    _need("peft", "train", f"adapter {folder}")
    from mglmm.model.lora import load_lora, merge

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"adapter {folder}: holds no {name}; give the folder `adapter` of a LoRA training")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing adapter keys")
            adapted = load_lora(model, folder.resolve())
    except (*WRONG_FILES, UserWarning) as error:
        raise UserError(f"adapter {folder}: does not fit the model ({first_line(error)})") from error
    return merge(adapted) if merged else adapted.get_base_model()


def _need(library: str, extra: str, what: str) -> None:
    """Nothing, if a library is installed."""
    try:
        version(library)
    except PackageNotFoundError as error:
        raise UserError(f"{what}: needs {library}; pip install 'mglmm[{extra}]'") from error


def source_folder(name_or_path: str | Path, patterns: Sequence[str] = _MODEL_FILES) -> str:
    """The folder of a model; of one on the hub, the files that match the patterns are fetched.

    Raises:
        UserError: there is no such model.
    """
    if name_or_path == "default":
        folder = Path(str(files("mglmm") / "assets" / "default"))
        if not (folder / "config.json").is_file():
            raise UserError(
                "model default: this copy of the package has no weights; train them with make default-model"
            )
        return str(folder)
    check_place(name_or_path)
    folder = Path(name_or_path).expanduser()
    return str(folder) if folder.is_dir() else _downloaded(str(name_or_path), patterns)


def check_place(name_or_path: str | Path) -> None:
    """Nothing, if this may be a model: a folder with a configuration, or a hub id, which is not looked up.

    Raises:
        UserError: it cannot be one.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"model {name_or_path}: the folder holds no config.json; give the folder of a saved model")
        return
    parts = str(name_or_path).split("/")
    # not looked up on the network: what cannot be a hub id was meant as a folder
    if folder.exists() or len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~"):
        raise UserError(
            f"model {name_or_path}: no such folder; give 'default', a saved model's folder, or a hub id like owner/name"
        )


def _downloaded(hub_id: str, patterns: Sequence[str]) -> str:
    """The folder of a model from the hub: downloaded, or the copy from last time if the hub cannot be reached."""
    try:
        return snapshot_download(hub_id, allow_patterns=list(patterns))
    except (OSError, ValueError) as error:
        raise UserError(
            f"model {hub_id}: no such folder, and it cannot be had from the hub ({first_line(error)}); "
            "give 'default', a saved model's folder, or a hub id like owner/name"
        ) from error
