"""Asking a model the questions of a benchmark, in one process or several, and keeping its answers.

Process 0 appends to `predictions.jsonl`, process k to `predictions-k.jsonl`; both are found again after a kill,
whatever the number of processes then is, and become one file in the order of the questions when all is answered.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mglmm.atomic import cut_half_line
from mglmm.eval.benchmarks import Benchmark
from mglmm.eval.questions import Question
from mglmm.eval.samples import SampleSet
from mglmm.eval.store import PREDICTIONS_NAME, Key, PredictionStore, PredictionWriter
from mglmm.schema import Prediction, UserError

if TYPE_CHECKING:
    from accelerate import PartialState

MAX_NEW_TOKENS = 512
"""Limit of an answer. Source: the published MGSC evaluation."""

BATCHES_A_RUN = 4
"""Batches whose questions are asked in one go, an answer that ends making room for the next question, before what they
gave is written; ours: more would only lose more answers to a kill."""

_PATIENCE = timedelta(days=1)
"""How long a process waits for the others: their shares may take very different times."""

_Item = TypeVar("_Item")


class Answerer(Protocol):
    """What is evaluated; `mglmm.predict.Predictor` is one."""

    def ask_many(
        self, questions: Sequence[tuple[Image.Image, str]], *, batch_size: int, max_new_tokens: int
    ) -> Sequence[Prediction]:
        """One answer to each (image, instruction), in order, `batch_size` of them at a time.

        `sample_id` and `turn_index` are filled in here.
        """
        ...


def processes() -> "PartialState":
    """The processes that run this together, as `accelerate launch` or torchrun started them; else this one alone.

    Raises:
        UserError: accelerate is not installed.
    """
    import torch  # late

    try:
        from accelerate import PartialState
    except ModuleNotFoundError as error:
        raise UserError("asking a model needs accelerate: pip install 'mglmm[eval]'") from error

    return PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)


def generate(
    predictor: Answerer,
    benchmark: Benchmark,
    samples: SampleSet,
    out: Path,
    *,
    limit: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> int:
    """Answer every question that has no answer in `out` yet; returns how many those were.

    Runs of `BATCHES_A_RUN` batches are made before they are dealt out to the processes, so that any number of them asks
    the same together.

    Raises:
        UserError: the samples have no images, or a file of answers is malformed.
    """
    if samples.image is None:
        raise UserError(f"{benchmark.name}: these samples have no images to ask about")
    image, state = lru_cache(maxsize=1)(samples.image), processes()
    path = out / PREDICTIONS_NAME
    if state.is_main_process:
        absorb_shares(out)
    state.wait_for_everyone()
    with PredictionStore(path) as store:
        known = store.keys()
    state.wait_for_everyone()  # nobody writes before everybody has read

    keys: list[Key] = []
    num_generated = 0
    with PredictionWriter(_share(out, state.process_index)) as writer:
        questions = _noted(tracked(benchmark, samples, limit, f"{benchmark.name}: asking", state.is_main_process), keys)
        unanswered = (q for q in questions if q.key not in known)
        for number, together in enumerate(batches(unanswered, batch_size * BATCHES_A_RUN)):
            num_generated += len(together)
            if number % state.num_processes == state.process_index:
                asked = [(image(q.sample_index), q) for q in together]
                writer.write(answers(predictor, asked, batch_size, max_new_tokens))
    state.wait_for_everyone()
    if state.is_main_process:
        absorb_shares(out)
        arrange(path, keys)
    return num_generated


def answers(
    predictor: Answerer, asked: Sequence[tuple[Image.Image, Question]], batch_size: int, max_new_tokens: int
) -> list[Prediction]:
    """The model's answers to some questions, marked with what they answer.

    Raises:
        ValueError: the model gave another number of answers.
    """
    questions = [(image, question.turn.instruction) for image, question in asked]
    given = predictor.ask_many(questions, batch_size=batch_size, max_new_tokens=max_new_tokens)
    if len(given) != len(asked):
        raise ValueError(f"the model gave {len(given)} answers to {len(asked)} questions")
    return [
        prediction.model_copy(update={"sample_id": question.sample.id, "turn_index": question.turn_index})
        for prediction, (_, question) in zip(given, asked, strict=True)
    ]


def absorb_shares(out: Path) -> None:
    """Move the answers of processes other than 0 into `predictions.jsonl`, which is made if it is not there.

    Half-written last lines are cut off. A kill in between leaves no answer twice.
    """
    path = out / PREDICTIONS_NAME
    with PredictionWriter(path) as writer:
        for share in sorted(out.glob(f"{path.stem}-*{path.suffix}")):
            cut_half_line(share)
            with PredictionStore(share) as store, PredictionStore(path) as known:
                writer.write_lines(store.line(key) for key in store if key not in known)
            share.unlink()


def arrange(path: Path, keys: Sequence[Key]) -> None:
    """Put the answers in `path` in the order of `keys`, others behind them; whole or not at all."""
    with PredictionStore(path) as store:
        known, wanted = list(store), set(keys)
        order = [*keys, *(key for key in known if key not in wanted)]
        if order == known:
            return
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            file.writelines(store.line(key) for key in order)
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)


def tracked(
    benchmark: Benchmark, samples: SampleSet, limit: int | None, title: str, shown: bool = True
) -> Iterator[Question]:
    """The benchmark's questions, with a progress bar over the samples on stderr if it is `shown`."""
    columns = [TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task(title, total=samples.length)
        for question in benchmark.questions(samples, limit):
            yield question
            progress.update(task, completed=question.sample_index + 1)


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items in lists of `size`, the last one of what is left."""
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def _share(out: Path, process_index: int) -> Path:
    path = out / PREDICTIONS_NAME
    return path.with_stem(f"{path.stem}-{process_index}") if process_index else path


def _noted(questions: Iterable[Question], keys: list[Key]) -> Iterator[Question]:
    """The questions, their keys being written into `keys` on the way."""
    for question in questions:
        keys.append(question.key)
        yield question
