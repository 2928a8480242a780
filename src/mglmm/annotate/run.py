"""A run of the pipeline from beginning to end: `mglmm annotate`."""

import asyncio
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import mglmm
from mglmm.annotate.check import check_rules
from mglmm.annotate.embedded import EmbeddedAnnotator, embedded_name
from mglmm.annotate.endpoint import EndpointAnnotator
from mglmm.annotate.engine import Engine, Outcome, Processes, Workers, num_workers
from mglmm.annotate.export import export_all
from mglmm.annotate.ledger import Ledger
from mglmm.annotate.prompts import Prompts, load_prompts
from mglmm.annotate.proposals import check_proposals
from mglmm.annotate.recipe import EMBEDDED, AnnotateRecipe
from mglmm.annotate.records import Finished, Scene
from mglmm.annotate.sources import Source, open_source
from mglmm.annotate.stages import Crew, Prepare, annotate
from mglmm.annotate.store import Store
from mglmm.annotate.summary import Summary, write_summary
from mglmm.phrasing import counted
from mglmm.schema import UserError

EngineName = Literal["local", "ray"]

LEDGER_NAME = "ledger.sqlite"
"""Answers and calls of endpoints; see `ledger`."""


class Part(NamedTuple):
    """Every `of`-th picture from `number` on (from 0): how many machines share one list."""

    number: int = 0
    of: int = 1


WHOLE = Part()


class _Job(NamedTuple):
    """What a run works with."""

    source: Source
    recipe: AnnotateRecipe
    prompts: Prompts
    ledger: Ledger | None
    store: Store


def run(
    images: str,
    out: Path,
    recipe: AnnotateRecipe,
    *,
    engine: EngineName = "local",
    limit: int | None = None,
    part: Part = WHOLE,
    retry: bool = False,
    crew: Crew | None = None,
) -> Summary:
    """Annotate pictures into the folder `out`; goes on where an earlier run of the same was stopped.

    Args:
        images: see `sources.open_source`.
        limit: at most so many pictures, the first ones.
        part: which share of the pictures.
        retry: try pictures in quarantine again.
        crew: who does the stages that need a model; None: as the recipe says.

    Raises:
        UserError: nothing is there to annotate, the folder holds another run, an endpoint refuses or does not answer,
            or a budget is spent. What is finished is exported first.
    """
    prompts = load_prompts(recipe.prompts)
    check_rules(recipe.rules)
    source = open_source(images, out)
    check_proposals(recipe.proposals, source)
    indices = list(range(part.number, len(source.ids), part.of))[:limit]
    if not indices:
        raise UserError(
            f"{images}: no picture is in part {part.number}/{part.of}, there are {len(source.ids):,} in all"
        )
    store = Store(out, _identity(images, recipe, prompts))
    if retry:
        store.release(source.ids[index] for index in indices)
    todo = [index for index in indices if not store.is_done(source.ids[index])]
    started = time.perf_counter()
    ledger = Ledger(out / LEDGER_NAME) if recipe.endpoints else None
    try:
        outcome = _work(_Job(source, recipe, prompts, ledger, store), todo, engine, crew)
        chosen = set(indices)
        # what an earlier run with another limit or part has done stays in the results
        ids = [name for index, name in enumerate(source.ids) if index in chosen or store.is_done(name)]
        summary = export_all(ids, store, recipe.export)
        summary.wall_seconds, summary.finished_now = time.perf_counter() - started, outcome.finished
        if ledger is not None:
            summary.ledger, summary.outcomes = ledger.totals(), ledger.outcomes()
        write_summary(summary, out)
    finally:
        if ledger is not None:
            ledger.close()
    _complain(outcome, summary)
    return summary


def _identity(images: str, recipe: AnnotateRecipe, prompts: Prompts) -> dict[str, Any]:
    """What a folder of results is of."""
    named = images if "://" in images else os.path.normpath(images)
    return {"images": named, "recipe": recipe.identity(), "prompts": prompts.hashes, "mglmm": mglmm.__version__}


def provenance_of(recipe: AnnotateRecipe, prompts: Prompts) -> dict[str, Any]:
    """What every record says of how it was made; what differs between runs of the same (times) stays in the store."""
    text = json.dumps(recipe.identity(), sort_keys=True)
    models = {
        name: recipe.endpoints[who].model if who in recipe.endpoints else embedded_name(recipe.embedded)
        for name, who in (("label", recipe.label), ("compose", recipe.compose), ("verify", recipe.verify))
        if who is not None
    }
    return {
        "mglmm": mglmm.__version__,
        "models": models,
        "prompts": prompts.hashes if recipe.endpoints else {},
        "recipe": hashlib.sha256(text.encode()).hexdigest()[:12],
        "seed": recipe.seed,
    }


def crew_of(recipe: AnnotateRecipe, prompts: Prompts, ledger: Ledger | None) -> Crew:
    """The annotators that a recipe names; one that is named twice is the same."""
    embedded = EmbeddedAnnotator(recipe.embedded)
    asked = {recipe.label, recipe.compose, recipe.verify} - {EMBEDDED, None}
    endpoints = {
        name: EndpointAnnotator(recipe.endpoints[name], prompts, ledger)
        for name in sorted(n for n in asked if n is not None)
        if ledger is not None
    }
    return Crew(
        label=endpoints.get(recipe.label, embedded),
        compose=endpoints.get(recipe.compose, embedded),
        verify=endpoints[recipe.verify] if recipe.verify else None,
    )


def _work(job: _Job, todo: list[int], engine: EngineName, crew: Crew | None) -> Outcome:
    """Do the pictures that are left."""
    if not todo:
        return Outcome()
    with _ended_by_sigterm():
        return asyncio.run(_work_all(job, todo, engine, crew))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM is Ctrl-C: processes and connections are let go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _work_all(job: _Job, todo: list[int], engine: EngineName, crew: Crew | None) -> Outcome:
    recipe = job.recipe
    made = crew or crew_of(recipe, job.prompts, job.ledger)

    async def _annotate(scene: Scene) -> Finished:
        return await annotate(scene, made, recipe, provenance_of(recipe, job.prompts))

    prepare = Prepare(job.source, recipe, made.needs_views, made.needs_picture)
    count = num_workers(recipe.workers, len(todo))
    calls = max((options.concurrency for options in recipe.endpoints.values()), default=1)
    runner = Engine(job.source, _annotate, job.store, count + 1 + calls, recipe.give_up_after)
    try:
        with _progress(len(todo)) as done:
            return await runner.run(todo, _workers(engine, prepare, count), done)
    finally:
        for one in (made.label, made.compose, made.verify):
            if isinstance(one, EndpointAnnotator):
                await one.close()


def _workers(engine: EngineName, prepare: Prepare, count: int) -> Workers:
    if engine == "local":
        return Processes(prepare, count)
    from mglmm.annotate.engine_ray import RayTasks

    return RayTasks(prepare, count or None)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int], None]]:
    """What to call after each picture; a bar on the terminal meanwhile."""
    console = Console(stderr=True)
    columns = (TextColumn("annotating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=count)
        yield lambda _: bar.advance(task)


def _complain(outcome: Outcome, summary: Summary) -> None:
    """Nothing, if every picture is finished or in quarantine, and some are finished."""
    left = (
        f"{summary.finished:,} of {counted(summary.pictures, 'picture')} finished; run the same command again to go on"
    )
    if outcome.stopped is not None:
        raise UserError(f"{outcome.stopped}; {left}") from outcome.stopped
    if outcome.unfinished:
        raise UserError(f"{counted(len(outcome.unfinished), 'picture')} could not be done ({outcome.reason}); {left}")
    if summary.pictures and not summary.finished:
        reason = f" ({outcome.reason})" if outcome.reason else ""
        raise UserError(f"no picture could be annotated: all are in quarantine{reason}; quarantine.jsonl says why")
