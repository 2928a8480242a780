"""Joined models are trained by the same recipes as any other: on the world, for the pairs that differ most."""

from pathlib import Path

import pytest
import torch
import yaml

from mglmm.model import MGLMMForConditionalGeneration
from mglmm.model.join import build
from mglmm.predict import load
from mglmm.schema import UserError
from mglmm.train import train
from tests.model import backbones
from tests.test_train import losses

PAIRS = [("llava", "sam"), ("qwen3_vl", "sam2"), ("smolvlm", "edgetam")]
TRAINED = ["seg_projector", r"sam\.mask_decoder", r"lmm\.(lm_head|model\.(language|text)_model)"]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def joined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("joined")
    lmm, sam = (str(backbones.save(name, root / name)) for name in request.param)
    return build(lmm, sam, root / "model")


def write_recipe(model: Path, folder: Path, max_steps: int, **changes: object) -> Path:
    recipe = {
        "output": str(folder / "run"),
        "model": str(model),
        "data": [{"source": "world", "size": 64, "end": 32}],
        "trainable": TRAINED,
        "trainer": {
            "max_steps": max_steps,
            "per_device_train_batch_size": 2,
            "learning_rate": 3e-3,
            "lr_scheduler_type": "constant",
            "logging_steps": 1,
            "dataloader_num_workers": 0,
            "report_to": [],
            "use_cpu": True,
        },
        **changes,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def test_twenty_steps_on_the_world(joined, tmp_path, picture) -> None:
    """The loss falls, what is not trained stays bit-identical, and the saved model answers a batch as one by one."""
    result = train(write_recipe(joined, tmp_path, max_steps=20))
    found = [loss[0] for loss in losses(tmp_path / "run").values()]
    assert len(found) == 20
    assert sum(found[-5:]) < 0.8 * sum(found[:5])

    before = MGLMMForConditionalGeneration.from_pretrained(joined).state_dict()
    predictor = load(result, device="cpu")
    after = predictor.model.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    parts = ("seg_projector", "sam.mask_decoder", "lmm.model.language_model", "lmm.model.text_model", "lmm.lm_head")
    assert all(name.startswith(parts) for name in moved)
    assert all(any(part in name for name in moved) for part in ("seg_projector", "mask_decoder", "embed_tokens"))

    token_id = predictor.processor.tokenizer.convert_tokens_to_ids
    predictor.model.generation_config.sequence_bias = [[[token_id("<p>")], 5.0], [[token_id("</p>")], 10.0]]
    questions = [(picture, "Segment the red disc."), (picture, "What is in the picture?")]
    together = predictor.ask_many(questions, max_new_tokens=12)
    alone = [predictor.ask(*question, max_new_tokens=12) for question in questions]
    assert all(one.segments for one in alone)
    assert [one.answer for one in together] == [one.answer for one in alone]
    # a pixel whose logit is nearly the threshold may fall on either side of it: batched products round otherwise
    for one, other in zip(together, alone, strict=True):
        for a, b in zip(one.segments, other.segments, strict=True):
            assert (a.mask != b.mask).mean() < 1e-3


def test_packed_rows_are_refused_where_positions_are_the_models_own(tmp_path) -> None:
    lmm, sam = (str(backbones.save(name, tmp_path / name)) for name in ("qwen2_5_vl", "sam"))
    model = build(lmm, sam, tmp_path / "model")
    with pytest.raises(UserError, match="set packed: false"):
        train(write_recipe(model, tmp_path, 1, packed=True))
