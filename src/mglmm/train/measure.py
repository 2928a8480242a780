"""What is measured during training on held-out images: losses, and answers that the model writes by itself."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import TrainingArguments

from mglmm.data.collate import TrainItem
from mglmm.eval.questions import Question
from mglmm.eval.scorers import Measures, ScorerKind, make_scorer
from mglmm.eval.text_similarity import load_similarity
from mglmm.predict import Predictor
from mglmm.schema import Task
from mglmm.train.recipe import Evaluation, TrainRecipe
from mglmm.train.setup import make_mixture
from mglmm.train.sharding import outermost_gathered
from mglmm.train.trainer import PARTS, num_trained, weighted_loss

SCORED: dict[Task, ScorerKind] = {
    "mgsc": "grounded",
    "gcg": "grounded",
    "referring": "referring",
    "reasoning": "referring",
    "semantic": "referring",
    "panoptic": "referring",
    "generalized_referring": "generalized",
}
"""How the answers of each task are scored; those of the other tasks hold no masks and are not asked for."""

HELD_OUT_SEED = 0
"""Seed of the held-out mixture: the same items in every run, so that runs can be compared."""


class HeldOut:
    """Measures a model on the same held-out items every time; they are made at the first call."""

    def __init__(
        self,
        recipe: TrainRecipe,
        plan: Evaluation,
        args: TrainingArguments,
        collator: Callable[[list[Any]], dict[str, torch.Tensor]],
        processor: Any,
    ):
        self._recipe, self._plan, self._args = recipe, plan, args
        self._collator, self._processor = collator, processor
        self._batches: list[dict[str, torch.Tensor]] = []
        self._asked: list[tuple[TrainItem, Question, ScorerKind]] = []

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """`loss` and its parts, and with `answers` the mean IoU of free answers, in all and by kind of task.

        `answer_invalid` is the share of answers whose markup could not be parsed.
        """
        if not self._batches:
            items = self._items()
            size = self._args.per_device_train_batch_size
            self._batches = [self._collator(items[i : i + size]) for i in range(0, len(items), size)]
            self._asked = list(_questions(items))[: self._plan.answers]
        figures = self._losses(model)
        if self._asked:
            with outermost_gathered(model):
                figures |= self._answers(_plain(model))
        return figures

    def _items(self) -> list[TrainItem]:
        data = make_mixture(self._recipe, self._plan.data, self._plan.samples, HELD_OUT_SEED)
        return [data[i] for i in range(len(data))]

    def _losses(self, model: nn.Module) -> dict[str, float]:
        """Means over all trained tokens, masks, image tokens and points, however they lie in batches."""
        weights = tuple(self._recipe.loss.model_dump().values())
        sums = torch.zeros(len(PARTS) + 1, device=self._args.device)
        mean_counts = torch.stack([num_trained(batch) for batch in self._batches]).mean(0).to(self._args.device)
        for batch in self._batches:
            inputs = {name: value.to(self._args.device) for name, value in batch.items()}
            loss, parts = weighted_loss(model(**inputs), weights, num_trained(inputs), mean_counts)
            sums += torch.cat([loss[None], parts])
        return dict(zip(("loss", *PARTS), (sums / len(self._batches)).tolist(), strict=True))

    def _answers(self, model: Any) -> dict[str, float]:
        """Mean scores of freely generated answers."""
        predictor = Predictor(model, self._processor)
        questions = [(item.image, question.turn.instruction) for item, question, _ in self._asked]
        predictions = predictor.ask_many(
            questions, batch_size=self._args.per_device_train_batch_size, max_new_tokens=self._plan.max_new_tokens
        )
        measures = Measures(load_similarity("lexical"))  # the texts' own scores would need Java
        values: dict[str, list[float]] = {"answer_iou": []}
        for (_, question, kind), prediction in zip(self._asked, predictions, strict=True):
            value = make_scorer(kind, measures).update(question, prediction)
            values["answer_iou"].append(value)
            values.setdefault(f"answer_iou_{kind}", []).append(value)
        figures = {name: sum(scores) / len(scores) for name, scores in values.items()}
        return figures | {"answer_invalid": sum(p.num_invalid > 0 for p in predictions) / len(predictions)}


def _questions(items: list[TrainItem]) -> Iterator[tuple[TrainItem, Question, ScorerKind]]:
    """From each item the first question that is answered with masks."""
    for index, item in enumerate(items):
        for turns in item.conversations:
            if turns[0].task in SCORED:
                question = Question(index, item.sample, item.sample.turns.index(turns[0]), ())
                yield item, question, SCORED[turns[0].task]
                break


def _plain(model: nn.Module) -> nn.Module:
    """The model itself, out of what distributed training and PEFT put around it; adapters stay in."""
    if isinstance(model, nn.parallel.DistributedDataParallel):
        model = model.module
    return model.get_base_model() if isinstance(model, PeftModel) else model
