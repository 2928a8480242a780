"""Loading as people expect it: Auto classes, devices, types, quantised weights, adapters."""

import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import CommitOperationAdd, HfApi, ModelCard, RepoUrl
from huggingface_hub.errors import EntryNotFoundError
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import pipeline

import mglmm
from mglmm.eval.provenance import weights_fingerprint
from mglmm.model import MGLMMForConditionalGeneration
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.convert import convert
from mglmm.model.loading import KEPT_WHOLE, QUANTIZATIONS, Loading, _spread, load_model, source_folder
from mglmm.model.lora import add_lora
from mglmm.schema import Prediction, UserError
from tests.model.official import Sizes, layout_named, write_checkpoint

ON_CPU = [name for name, quantization in QUANTIZATIONS.items() if "cpu" in quantization.devices]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted checkpoint of random weights with widths that every quantisation takes."""
    folder = tmp_path_factory.mktemp("loading")
    sizes = dataclasses.replace(
        Sizes(), text_width=128, text_mlp=256, clip_width=64, clip_mlp=128, sam_width=64, sam_mlp=64
    )
    torch.manual_seed(0)
    return convert(write_checkpoint(folder, layout_named("MGLMM"), sizes), folder / "out")


@pytest.fixture(scope="module")
def asked(model_dir: Path) -> Prediction:
    """The answer of the model loaded plainly."""
    return answer(model_dir)


def answer(folder: Path, **options: Any) -> Prediction:
    return mglmm.load(folder, **options).ask(Image.new("RGB", (40, 30), "red"), "the red car", max_new_tokens=6)


@pytest.mark.parametrize(
    ("auto", "ours"),
    [
        pytest.param("AutoConfig", "MGLMMConfig", marks=pytest.mark.slow),
        ("AutoProcessor", "MGLMMProcessor"),
        pytest.param("AutoModel", "MGLMMForConditionalGeneration", marks=pytest.mark.slow),
        ("AutoModelForImageTextToText", "MGLMMForConditionalGeneration"),
        pytest.param("AutoTokenizer", "LegacyLlamaTokenizer", marks=pytest.mark.slow),
    ],
)
def test_auto_classes_know_the_model_after_import(model_dir: Path, auto: str, ours: str) -> None:
    """Whichever is imported first, in a process of its own; importing the package alone imports no torch."""
    code = f"""
import sys
import mglmm
assert "torch" not in sys.modules and "transformers" not in sys.modules
from transformers import {auto}
print(type({auto}.from_pretrained({str(model_dir)!r})).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split()[-1:] == [ours], done.stderr


def test_pipelines_answer(tiny_model_dir: Path, picture: Image.Image) -> None:
    """In text alone: what makes masks is `mglmm.load`."""
    ask = pipeline("image-text-to-text", model=str(tiny_model_dir))
    content = [{"type": "image", "image": picture}, {"type": "text", "text": "Describe it."}]
    (answered,) = ask(text=[{"role": "user", "content": content}], max_new_tokens=4, return_full_text=False)
    assert isinstance(answered["generated_text"], str)
    model, processor = load_model(tiny_model_dir, Loading("cpu"))
    ours = processor.prompt([picture], [[("Describe it.", None)]])
    theirs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, return_dict=True, add_generation_prompt=True
    )
    assert theirs["input_ids"][0] == ours["input_ids"][0].tolist()


def test_what_is_pushed_to_the_hub_can_be_loaded(
    model_dir: Path, asked: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _commit(api: HfApi, *args: Any, operations: Sequence[CommitOperationAdd], **kwargs: Any) -> None:
        for operation in operations:
            with operation.as_file() as file:
                (tmp_path / operation.path_in_repo).write_bytes(file.read())

    def _no_card(name: str, **kwargs: Any) -> None:
        raise EntryNotFoundError("no card yet")

    monkeypatch.setattr(HfApi, "create_commit", _commit)
    monkeypatch.setattr(ModelCard, "load", _no_card)
    monkeypatch.setattr(HfApi, "create_repo", lambda *_, **__: RepoUrl("https://hf.co/owner/name"))
    model, processor = load_model(model_dir, Loading("cpu"))
    model.push_to_hub("owner/name")
    assert "- mglmm" in (tmp_path / "README.md").read_text()
    processor.push_to_hub("owner/name")
    assert answer(tmp_path).answer == asked.answer


def test_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mglmm", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mglmm {mglmm.__version__}\n"
    wrong = subprocess.run([sys.executable, "-m", "mglmm", "info", str(tmp_path)], capture_output=True, check=False)
    assert wrong.returncode == 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", torch.bfloat16])
def test_types_of_weights(model_dir: Path, dtype: str | torch.dtype) -> None:
    model, _ = load_model(model_dir, Loading("cpu", dtype))
    assert {value.dtype for value in model.parameters()} == {getattr(torch, str(dtype).removeprefix("torch."))}


def test_the_cpu_computes_in_float32(model_dir: Path) -> None:
    assert {value.dtype for value in load_model(model_dir, Loading("cpu"))[0].parameters()} == {torch.float32}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention(model_dir: Path, asked: Prediction, attention: str) -> None:
    model, _ = load_model(model_dir, Loading("cpu", attention=attention))
    assert model.lmm.config.get_text_config()._attn_implementation == attention
    assert answer(model_dir, attention=attention).answer == asked.answer


@pytest.mark.parametrize("name", ON_CPU)
def test_quantised(model_dir: Path, name: str) -> None:
    """The language model's layers are quantised, what makes the masks is not, and answers come."""
    whole, _ = load_model(model_dir, Loading("cpu"))
    model, _ = load_model(model_dir, Loading("cpu", quantize=name))
    plain = whole.state_dict()
    for part in ("sam", "seg_projector"):
        for key, value in model.get_submodule(part).state_dict().items():
            assert torch.equal(value, plain[f"{part}.{key}"])
    layer = model.lmm.model.language_model.layers[0].mlp.up_proj
    assert type(layer) is not nn.Linear or type(layer.weight.data) is not torch.Tensor
    seen = torch.randn(3, layer.in_features)
    exact = seen @ plain["lmm.model.language_model.layers.0.mlp.up_proj.weight"].T
    with torch.no_grad():
        error = (layer(seen) - exact).norm() / exact.norm()
    assert 0 < error < (0.2 if "4bit" in name else 0.02)
    assert len(weights_fingerprint(model)) == 16
    assert answer(model_dir, device="cpu", quantize=name).size == (30, 40)


def test_layers_that_do_not_fit_stay_on_the_disk(
    model_dir: Path, asked: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the language model's layers stays on the first device; the answer is the same."""
    model, _ = load_model(model_dir, Loading("cpu"))
    beside = sum(value.nbytes for key, value in model.state_dict().items() if not key.startswith("lmm."))
    inside = sum(value.nbytes for value in model.lmm.state_dict().values())
    room = int(beside + 0.8 * inside)
    monkeypatch.setattr("accelerate.utils.get_max_memory", lambda: {"cpu": room, "disk": 2**40})
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    spread, _ = load_model(model_dir, Loading("auto", torch.float32))
    places = spread.hf_device_map
    assert {places[name] for name in KEPT_WHOLE if name in places} == {"cpu"}
    assert "disk" in places.values()
    assert any(value.is_meta for value in spread.state_dict().values())
    assert weights_fingerprint(spread) == weights_fingerprint(model)
    assert answer(model_dir, device="auto", dtype="float32").answer == asked.answer


def test_an_adapter_is_merged_or_stays_beside_quantised_weights(model_dir: Path, tmp_path: Path) -> None:
    base = MGLMMForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float32)
    adapted = add_lora(base, {"target_modules": r"lmm\.model\.language_model\..*q_proj", "r": 2}, ["seg_projector"])
    name = "lmm.model.language_model.layers.0.self_attn.q_proj"
    inner = adapted.get_base_model().get_submodule(name)
    nn.init.normal_(inner.lora_B["default"].weight)
    adapted.save_pretrained(str(tmp_path))
    delta = inner.get_delta_weight("default")
    plain = load_model(model_dir, Loading("cpu"))[0].get_submodule(name).weight
    merged = load_model(model_dir, Loading("cpu", adapter=tmp_path))[0].get_submodule(name).weight
    torch.testing.assert_close(merged, plain + delta)
    beside, _ = load_model(model_dir, Loading("cpu", quantize="torchao-8bit", adapter=tmp_path))
    assert isinstance(beside, MGLMMForConditionalGeneration)
    assert beside.get_submodule(name).lora_B["default"].weight.norm() > 0


def copied(folder: Path, target: Path) -> Path:
    """A model folder that may be changed."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_the_card_of_the_default_counts_what_its_file_holds() -> None:
    """Every number that is no running statistic and no fixed position."""
    folder = Path(source_folder("default"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    with safe_open(folder / "model.safetensors", "pt") as file:
        fixed = ("running_mean", "running_var", "num_batches_tracked", "positional_embedding")
        shapes = [file.get_slice(name).get_shape() for name in file.keys() if not name.endswith(fixed)]  # noqa: SIM118
    assert f"{sum(map(math.prod, shapes)):,} parameters" in card
    assert f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f} MB" in card


def test_a_model_that_lacks_weights_is_refused(model_dir: Path, tmp_path: Path) -> None:
    folder = copied(model_dir, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["seg_projector.0.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights are missing, such as seg_projector\.0\.weight"):
        mglmm.load(folder)


@pytest.mark.parametrize(
    "changes", [{"lmm_config": 3}, {"lmm_config": {}}, {"sam_config": {"model_type": "sam2", "vision_config": 1}}]
)
def test_wrong_configurations_are_told(model_dir: Path, changes: dict[str, Any], tmp_path: Path) -> None:
    folder = copied(model_dir, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError) as refused:
        mglmm.load(folder)
    assert "cannot be loaded" in str(refused.value) and "\n" not in str(refused.value)


def test_adapters_of_other_models_are_refused(model_dir: Path, tmp_path: Path) -> None:
    base = MGLMMForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float32)
    add_lora(base, {"target_modules": r"lmm\.model\.language_model\..*q_proj", "r": 2}, []).save_pretrained(
        str(tmp_path)
    )
    path = tmp_path / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({key.replace("layers", "strata"): value for key, value in weights.items()}, path)
    with pytest.raises(UserError, match="does not fit the model"):
        mglmm.load(model_dir, adapter=tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"holds no adapter_model\.safetensors"):
        mglmm.load(model_dir, adapter=tmp_path)


def test_places_on_apple_silicon_have_a_name(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.utils.get_max_memory", lambda: {"mps": 2**34})
    places = _spread(MGLMMConfig.from_pretrained(model_dir), torch.float16, torch.device("mps"))
    assert set(places.values()) == {"mps"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "gpu7"}, "device gpu7: not to be had here"),
        ({"device": "meta"}, "device meta: not to be had here"),
        ({"device": "auto", "quantize": "bnb-8bit"}, "a quantised model stays on one device"),
        ({"dtype": "float8"}, "dtype float8: no such type of weights; there are float32, float16, bfloat16"),
        ({"quantize": "3bit"}, "quantization 3bit: there is no such; there are bnb-8bit"),
        ({"device": "cpu", "quantize": "torchao-4bit"}, "runs on cuda, not on cpu"),
        ({"attention": "nonsense"}, "cannot be loaded"),
        ({"adapter": "nowhere"}, "adapter nowhere: holds no adapter_config.json"),
    ],
)
def test_what_is_not_to_be_had_is_told(model_dir: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        mglmm.load(model_dir, **options)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_missing_library_is_told(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _none(name: str) -> str:
        raise mglmm.model.loading.PackageNotFoundError(name)

    monkeypatch.setattr("mglmm.model.loading.version", _none)
    with pytest.raises(UserError, match=r"needs bitsandbytes; pip install 'mglmm\[quantize\]'"):
        mglmm.load(model_dir, device="cpu", quantize="bnb-8bit")


def test_widths_that_the_processor_cannot_compute_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsandbytes.nn import Linear4bit

    monkeypatch.setattr(Linear4bit, "support_avx512bf16_for_cpu", True, raising=False)
    model, _ = load_model("default", Loading("cpu"))
    if all(m.in_features % 64 == 0 for m in model.lmm.modules() if isinstance(m, nn.Linear)):
        pytest.skip("the default model's widths are multiples of 64")
    with pytest.raises(UserError, match="widths must be multiples of 64"):
        mglmm.load("default", device="cpu", quantize="bnb-4bit")
