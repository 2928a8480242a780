"""What `mglmm info` tells: counts and bytes that a real model has, from configuration files alone."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from mglmm.cli import main
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.footprint import counted
from mglmm.model.info import describe, measure, parameters
from mglmm.model.join import build
from mglmm.schema import UserError
from tests.model import backbones


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("info")
    lmm, sam = (str(backbones.save(name, root / name)) for name in ("qwen3_vl", "sam2"))
    return build(lmm, sam, root / "model")


@pytest.fixture
def files_alone(joined: Path, tmp_path: Path) -> Path:
    """The folder without its weights."""
    return Path(shutil.copytree(joined, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors*")))


def test_counts_are_those_of_the_loaded_model(joined, files_alone) -> None:
    model = MGLMMForConditionalGeneration.from_pretrained(joined)
    info = describe(str(files_alone))
    assert info.parameters["total"] == sum(value.numel() for value in model.parameters())
    assert info.parameters == parameters(model)
    visual, sam = model.lmm.model.visual, model.sam
    assert info.parameters["mask encoder"] == sum(value.numel() for value in sam.vision_encoder.parameters())
    assert info.parameters["vision tower"] + info.parameters["projector"] == sum(v.numel() for v in visual.parameters())
    held = sum(value.numel() * value.element_size() for value in model.parameters())
    assert info.weight_bytes["float32"] == held


def test_the_cache_takes_what_generation_keeps(joined) -> None:
    model = MGLMMForConditionalGeneration.from_pretrained(joined)
    processor = MGLMMProcessor.from_pretrained(joined)
    cache = model.lmm.get_decoder()(inputs_embeds=torch.zeros(1, 7, 32), use_cache=True).past_key_values
    held = sum(t.numel() * 4 for layer in cache.layers for t in (layer.keys, layer.values))
    assert measure(model.config, processor, (64, 64)).kv_cache_bytes_per_token["float32"] * 7 == held


def test_the_estimate_is_what_a_real_run_takes(joined) -> None:
    """Of making masks, in bfloat16, where nothing depends on the values: the same tensors live at the same time."""
    model = MGLMMForConditionalGeneration.from_pretrained(joined, dtype=torch.bfloat16).eval()
    estimate = measure(model.config, MGLMMProcessor.from_pretrained(joined), (64, 64)).working_bytes["segment"]
    with counted() as real:
        features = model.encode_grounding(torch.zeros(1, 3, 64, 64, dtype=torch.bfloat16))
        model.decode_masks(features, torch.zeros(16, dtype=torch.long), torch.zeros(16, 32, dtype=torch.bfloat16))
    assert estimate == pytest.approx(real.peak, rel=0.05)


def test_counted_bytes_come_and_go() -> None:
    with counted() as live:
        first = torch.empty(1000, device="meta")
        assert live.now == 4000
        view = first[10:]
        assert live.now == 4000
        del first
        assert live.now == 4000
        second = torch.zeros(10) + view[:10]
        assert second.is_meta and live.now == 4000 + 40
        del view
        assert live.now == 40
        heads = torch.empty(1, 2, 500, 8, device="meta")
        before = live.now
        scaled_dot_product_attention(heads, heads, heads)
        assert live.peak - before <= 500 * 8 * 2 * 4


def test_a_larger_picture_takes_more_tokens(files_alone) -> None:
    small, large = (describe(str(files_alone), size) for size in ((64, 64), (64, 96)))
    assert small.image_tokens == 4 and large.image_tokens == 6
    assert large.working_bytes["answer"] > small.working_bytes["answer"]


def test_without_a_processor_the_picture_is_not_known(files_alone) -> None:
    (files_alone / "processor_config.json").unlink()
    info = describe(str(files_alone))
    assert info.parameters["total"] > 0 and info.image_tokens is info.peak_bytes is None


def test_the_command_prints_tables_and_json(files_alone, capsys) -> None:
    assert main(["info", str(files_alone), "--image-size", "64x96"]) == 0
    said = capsys.readouterr().out
    assert "qwen3_vl + sam2" in said and "a picture of 64 x 96 takes 6 of 1,024 tokens" in said
    assert main(["info", str(files_alone), "--image-size", "64x96", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["image_tokens"] == 6 and told["parameters"] == describe(str(files_alone)).parameters
    (files_alone / "processor_config.json").unlink()
    assert main(["info", str(files_alone)]) == 0
    assert "not known" in capsys.readouterr().out


def test_what_is_no_model_is_refused(files_alone, tmp_path, capsys) -> None:
    assert main(["info", str(backbones.save("sam", tmp_path / "sam"))]) == 2
    assert "a model of type 'sam', not one of mglmm" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "nowhere")]) == 2
    assert main(["info", str(files_alone), "--image-size", "0x3"]) == 2
    assert "is no size" in capsys.readouterr().err
    values = json.loads((files_alone / "processor_config.json").read_text())
    values["image_processor"]["merge_size"] = 1
    (files_alone / "processor_config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="do not belong together"):
        describe(str(files_alone))
    (files_alone / "config.json").write_text("{")
    with pytest.raises(UserError, match="config.json is no configuration"):
        describe(str(files_alone))
