"""Conversion of checkpoints that are made here, and its parts one by one."""

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import mglmm
from mglmm.model import MGLMMForConditionalGeneration
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.convert import convert, layouts
from mglmm.model.convert.layouts import LAYOUTS, Layout
from mglmm.model.convert.sam_shapes import read_sam_config
from mglmm.model.convert.tensors import TensorFiles, write_shards
from mglmm.model.tokenization_mglmm import load_llama_tokenizer
from mglmm.schema import UserError
from tests.model.official import FULL, Sizes, official_shapes, sam_shapes, write_checkpoint, write_tokenizer

MANIFESTS = Path(__file__).resolve().parents[3] / "shared" / "oracle" / "manifests"
MGLMM = LAYOUTS[0]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of MGLMM that no test changes."""
    torch.manual_seed(0)
    return write_checkpoint(tmp_path_factory.mktemp("mglmm"), MGLMM)


def refusal(source: Path, folder: Path, **options: Any) -> str:
    """What is said about a source that cannot be converted; nothing must be left behind."""
    with pytest.raises(UserError) as refused:
        convert(source, folder / "out", **options)
    assert not [path for path in folder.iterdir() if path.name.startswith("out")]
    assert "\n" not in str(refused.value)
    return str(refused.value)


def altered(source: Path, folder: Path, **changes: Any) -> Path:
    """The checkpoint with other values in its config.json."""
    copied = folder / "checkpoint"
    copied.mkdir()
    for path in source.iterdir():
        (copied / path.name).symlink_to(path)
    (folder / "clip").symlink_to(source.parent / "clip")
    values = json.loads((source / "config.json").read_text()) | changes
    (copied / "config.json").unlink()
    (copied / "config.json").write_text(json.dumps(values))
    return copied


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("num_shards", [1, 3])
def test_every_layout_becomes_a_model_that_answers(layout: Layout, num_shards: int, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path, layout, num_shards=num_shards)
    folder = convert(source, tmp_path / "out")
    model = MGLMMForConditionalGeneration.from_pretrained(folder)
    official, ours = TensorFiles(source), model.state_dict()
    pairs = {
        "model.norm.weight": "lmm.model.language_model.norm.weight",
        f"{layout.sam_prefix}mask_decoder.output_hypernetworks_mlps.3.layers.1.bias": (
            "sam.mask_decoder.output_hypernetworks_mlps.3.layers.0.bias"
        ),
        f"{layout.sam_prefix}image_encoder.blocks.1.attn.rel_pos_w": "sam.vision_encoder.layers.1.attn.rel_pos_w",
        "model.text_hidden_fcs.0.2.weight": "seg_projector.2.weight",
    }
    for key, name in pairs.items():
        assert torch.equal(official[key], ours[name])
    rows = official["lm_head.weight"]
    assert torch.equal(ours["lmm.lm_head.weight"][:-1], rows)
    torch.testing.assert_close(ours["lmm.lm_head.weight"][-1], rows.mean(0))
    prediction = mglmm.load(folder).ask(Image.new("RGB", (40, 30), "red"), "the red car", max_new_tokens=4)
    assert prediction.size == (30, 40)


@pytest.mark.parametrize("name", ["mglmm", "glamm", "lisa"])
def test_made_names_are_those_of_the_authors(name: str) -> None:
    """At 7B, all of them but the region encoder's, and all have a place in our model of that size."""
    path = MANIFESTS / f"{name}_7b_keys.json"
    if not path.is_file():
        pytest.skip("shared/oracle is not here")
    recorded = {key: tuple(shape) for key, shape in json.loads(path.read_text()).items()}
    layout = layouts.detect(recorded, name)
    made = official_shapes(FULL, layout)
    assert {key: shape for key, shape in recorded.items() if "region_encoder" not in key} == made
    assert all(layouts.our_name(key, layout, 3) is None for key in recorded if "region_encoder" in key)


def test_sizes_of_sam_are_read_from_its_weights() -> None:
    config = read_sam_config(sam_shapes(FULL))
    vision = config.vision_config
    assert (vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads) == (1280, 32, 16)
    assert (vision.image_size, vision.patch_size, vision.window_size, vision.mlp_dim) == (1024, 16, 14, 5120)
    assert vision.global_attn_indexes == [7, 15, 23, 31]
    decoder = config.mask_decoder_config
    assert (decoder.hidden_size, decoder.mlp_dim, decoder.num_attention_heads) == (256, 2048, 8)
    assert (decoder.num_hidden_layers, decoder.attention_downsample_rate, decoder.iou_head_depth) == (2, 2, 3)
    with pytest.raises(ValueError, match="width 128 cannot have 5 heads"):
        read_sam_config(sam_shapes(FULL), 5)
    with pytest.raises(KeyError):
        read_sam_config({})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocab_size": 300}, "says vocab_size 300"),
        ({"seg_token_idx": 5}, "says seg_token_idx 5"),
        ({"num_hidden_layers": 3}, "missing: lmm.model.language_model.layers.2."),
        ({"num_hidden_layers": "two"}, "not the configuration of a model"),
        ({"hidden_size": 33}, "config.json: not the configuration of a model"),
        ({"hidden_size": 64}, "has the shape"),
        ({"intermediate_size": None}, "has the shape"),
        ({"hidden_act": "nothing"}, "no model has this configuration"),
        ({"mm_vision_select_layer": "last"}, "not the configuration of a model"),
        ({"mm_vision_tower": "nowhere"}, "--tower FOLDER"),
        ({"mm_vision_tower": None}, "names no vision tower"),
    ],
)
def test_wrong_configurations_are_refused(source: Path, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in refusal(altered(source, tmp_path, **changes), tmp_path)


@pytest.mark.parametrize("content", ["{}", '{"image_size": "large"}', "[1]", "no json"])
def test_wrong_towers_are_refused(source: Path, content: str, tmp_path: Path) -> None:
    tower = tmp_path / "tower"
    tower.mkdir()
    for path in (source.parent / "clip").iterdir():
        (tower / path.name).symlink_to(path)
    (tower / "config.json").unlink()
    (tower / "config.json").write_text(content)
    assert str(tower) in refusal(source, tmp_path, tower=tower)


def test_what_cannot_be_written_is_one_line(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mglmm.model.convert.tensors.save_file", _full)
    assert "cannot be written" in refusal(source, tmp_path)
    assert "5 heads" in refusal(source, tmp_path, num_decoder_heads=5)


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_weight_files_are_read_without_running_anything(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    with pytest.raises(UserError, match="holds no weights"):
        TensorFiles(tmp_path)
    torch.save({"a": torch.arange(3)}, path, _use_new_zipfile_serialization=False)
    assert TensorFiles(tmp_path)["a"].tolist() == [0, 1, 2]
    torch.save({"a": torch.arange(3), "b": torch.zeros(2, 5)}, path)
    files = TensorFiles(tmp_path)
    assert (list(files), files.shape("b"), files["a"].tolist()) == (["a", "b"], (2, 5), [0, 1, 2])
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:10], b"", b"PK\x03\x04 no archive"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"pytorch_model\.bin: "):
            TensorFiles(tmp_path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(UserError, match="not a table of weights"):
        TensorFiles(tmp_path)
    for save in (torch.save, lambda value, file: file.write_bytes(pickle.dumps(value))):
        save({"a": torch.zeros(1), "bomb": Bomb(tmp_path / "exploded")}, path)
        with pytest.raises(UserError, match="nothing in it was run"):
            TensorFiles(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_shards_hold_everything_once(tmp_path: Path) -> None:
    tensors = {f"t{n}": torch.full((n + 1, 8), float(n)) for n in range(7)}
    write_shards(tmp_path, tensors.items(), shard_bytes=256)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in tensors.values())
    assert len(set(index["weight_map"].values())) > 2
    files = TensorFiles(tmp_path)
    assert set(files) == set(tensors)
    assert all(torch.equal(files[name], value) for name, value in tensors.items())
    (tmp_path / sorted(set(index["weight_map"].values()))[1]).unlink()
    with pytest.raises(UserError, match="fetch all shards"):
        TensorFiles(tmp_path)


def test_one_shard_has_no_index(tmp_path: Path) -> None:
    write_shards(tmp_path, [("a", torch.zeros(3))])
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        ("model.layers.3.mlp.up_proj.weight", "lmm.model.language_model.layers.3.mlp.up_proj.weight"),
        ("base_model.model.model.norm.weight", "lmm.model.language_model.norm.weight"),
        ("model.mm_projector.2.bias", "lmm.model.multi_modal_projector.linear_2.bias"),
        ("model.segment_encoder.image_encoder.neck.3.bias", "sam.vision_encoder.neck.layer_norm2.bias"),
        (
            "model.segment_encoder.mask_decoder.iou_prediction_head.layers.2.weight",
            "sam.mask_decoder.iou_prediction_head.proj_out.weight",
        ),
        (
            "model.segment_encoder.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
            "sam.shared_image_embedding.positional_embedding",
        ),
        ("model.vision_tower.vision_tower.x", None),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", None),
    ],
)
def test_names(official: str, ours: str | None) -> None:
    assert layouts.our_name(official, MGLMM, 3) == ours


def test_the_tokenizer_splits_as_in_training(tmp_path: Path) -> None:
    """Added tokens swallow the whitespace around them; each stretch begins with its own "▁"."""
    write_tokenizer(tmp_path / "tokenizer.model", 320)
    tokenizer = load_llama_tokenizer(tmp_path / "tokenizer.model", MGLMM.tokens)
    assert tokenizer.convert_tokens_to_ids(["<im_start>", "[SEG]", "</p>", "<image>"]) == [320, 324, 326, 327]
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("It is <p>  the car </p> [SEG].")["input_ids"])
    seg = pieces.index("[SEG]")
    assert pieces[0] == "<s>"
    assert pieces[seg - 1 : seg + 3] == ["</p>", "[SEG]", "▁", "."]
    assert pieces[pieces.index("<p>") + 1].startswith("▁t")
    ids = tokenizer("a red car [SEG] on it")["input_ids"]
    assert tokenizer.decode(ids) == "<s>a red car [SEG] on it"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a red car [SEG] on it"
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(UserError, match="no sentencepiece model"):
        load_llama_tokenizer(tmp_path / "tokenizer.model", MGLMM.tokens)


def test_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "config.json: no such file" in refusal(empty, tmp_path)
    source = write_checkpoint(tmp_path, MGLMM)
    binary = source / "pytorch_model.bin"
    whole = torch.load(binary, weights_only=True)

    def _said(**changes: torch.Tensor | None) -> str:
        """What is said with some weights changed, added, or (None) taken away."""
        changed = {key: value for key, value in (whole | changes).items() if value is not None}
        torch.save(changed, binary)
        return refusal(source, tmp_path)

    assert "unknown: model.surprise.weight" in _said(**{"model.surprise.weight": torch.zeros(1)})
    assert "missing: lmm.model.language_model.norm.weight" in _said(**{"model.norm.weight": None})
    assert "norm.weight has the shape (3,), not (32,)" in _said(**{"model.norm.weight": torch.zeros(3)})
    assert "lm_head.weight is missing" in _said(**{"lm_head.weight": None})
    half = "model.layers.0.self_attn.q_proj.lora_B.default.weight"
    assert f"unknown: {half}" in _said(**{half: torch.zeros(32, 4)})
    assert "no checkpoint of MGLMM" in _said(**{key: None for key in whole if "segment_encoder" in key})


def test_lora_beside_the_weights_is_merged_and_nothing_else_changes(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path, MGLMM)
    plain = TensorFiles(convert(source, tmp_path / "plain"))
    binary = source / "pytorch_model.bin"
    whole = torch.load(binary, weights_only=True)
    base = "model.layers.1.self_attn.v_proj."
    a, b = torch.randn(4, 32), torch.randn(32, 4)
    halves = {f"{base}lora_A.default.weight": a, f"{base}lora_B.default.weight": b}
    torch.save({"base_model.model." + key: value for key, value in (whole | halves).items()}, binary)
    merged = TensorFiles(convert(source, tmp_path / "merged", lora_alpha=8.0))
    changed = [key for key in plain if not torch.equal(plain[key], merged[key])]
    assert changed == ["lmm.model.language_model.layers.1.self_attn.v_proj.weight"]
    torch.testing.assert_close(merged[changed[0]], whole[f"{base}weight"] + 8.0 / 4 * (b @ a))


def test_lora_of_other_shapes_is_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path, MGLMM, dataclasses.replace(Sizes(), text_layers=1))
    weights = torch.load(source / "pytorch_model.bin", weights_only=True)
    base = "model.layers.0.self_attn.q_proj."
    halves = {base + "lora_A.default.weight": torch.ones(4, 32), base + "lora_B.default.weight": torch.ones(32, 3)}
    torch.save(weights | halves, source / "pytorch_model.bin")
    assert "cannot be merged with its LoRA weights of shapes (4, 32) and (32, 3)" in refusal(source, tmp_path)


def test_the_configuration_says_what_the_layout_has(source: Path, tmp_path: Path) -> None:
    config = MGLMMConfig.from_pretrained(convert(source, tmp_path / "out"))
    assert (config.seg_token_id, config.phrase_start_token_id, config.phrase_end_token_id) == (324, 325, 326)
    assert not config.constrain_markup
