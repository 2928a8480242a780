"""Fixtures that several test files share."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw

import mglmm
from mglmm.grounding import PHRASE_END, PHRASE_START
from mglmm.model import decoding
from mglmm.predict import Predictor

# A busy machine is no reason to fail; on CI a change is judged by the same examples every time.
settings.register_profile("mglmm", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mglmm")


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model with random weights whose every answer holds masks, as far as its token limit allows."""
    from tests.model.tiny import tiny_model, tiny_processor

    model, processor = tiny_model(), tiny_processor()
    token_id = processor.tokenizer.convert_tokens_to_ids
    # random weights say anything; the bias makes them open phrases and close them after one token
    model.generation_config.sequence_bias = [[[token_id(PHRASE_START)], 5.0], [[token_id(PHRASE_END)], 10.0]]
    folder = tmp_path_factory.mktemp("tiny-model")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def sure(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """A model without constraints that answers everything as LISA does: "Sure, it is [SEG].", without a phrase."""
    predictor = mglmm.load(tiny_model_dir, device="cpu")
    tokenizer = predictor.processor.tokenizer
    said = [*tokenizer("Sure, it is [SEG].", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]

    class Script(decoding.Markup):
        """Its state is how much has been said, and only what comes next may come."""

        def __init__(self, model: torch.nn.Module, constrained: bool, never: Sequence[int]):
            super().__init__(model, constrained=False)
            self.scores = torch.full((len(said) + 1, self.scores.shape[1]), -torch.inf)
            self.scores[range(len(said)), said] = 0.0

        def begin(self, num_left: int) -> int:
            return 0

        def follow(self, state: int, token: int, num_left: int) -> int:
            return state + 1

    monkeypatch.setattr(decoding, "Markup", Script)
    return predictor


@pytest.fixture
def picture() -> Image.Image:
    """60 x 40 pixels: a red disc on green."""
    image = Image.new("RGB", (60, 40), (40, 120, 60))
    ImageDraw.Draw(image).ellipse((20, 8, 44, 32), fill=(200, 40, 40))
    return image
