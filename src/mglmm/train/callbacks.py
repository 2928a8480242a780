"""What happens around the steps: clock, averaged weights, logs, measurements."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mglmm.atomic import atomic_file, cut_half_line
from mglmm.train.sharding import complete_state
from mglmm.train.trainer import PARTS, GroundingTrainer

SHOWN = ("loss", *PARTS, "grad_norm", "learning_rate", "samples_per_s", "data_wait_share", "mfu")
"""Figures on the console; the JSON-lines log and TensorBoard have all of them."""


class Steering(TrainerCallback):
    """Ends the run when time is up or Ctrl-C was pressed, saves checkpoints by the clock, updates the average."""

    def __init__(self, trainer: GroundingTrainer, spent: float):
        self._trainer = trainer
        self._spent = spent
        self._saved_at = spent

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock."""
        self._trainer.clock.start(state.global_step, self._spent)
        self._trainer.speed.start(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Look at the clock."""
        clock = self._trainer.clock
        clock.tick(state.global_step)
        if self._trainer.ema is not None:
            self._trainer.ema.update()
        if clock.interrupted or clock.progress >= 1:
            control.should_training_stop = True
        due = clock.spent - self._saved_at >= 60 * self._trainer.recipe.checkpoint_minutes
        if due or clock.interrupted:
            control.should_save = True
        if control.should_save:
            self._saved_at = clock.spent
            if self._trainer.recipe.sharded and self._trainer.optimizer is not None:
                complete_state(self._trainer.optimizer)


class JsonLog(TrainerCallback):
    """Appends every logged record to `log.jsonl`; when a run goes on, what lay behind its checkpoint is cut off."""

    def __init__(self, path: Path):
        self._path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keep the records up to the step the run begins at."""
        if state.is_world_process_zero:
            cut_half_line(self._path)
            lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
            with atomic_file(self._path) as file:
                file.writelines(f"{line}\n" for line in lines if json.loads(line)["step"] <= state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write one line."""
        if state.is_world_process_zero and logs is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class ConsoleLog(TrainerCallback):
    """A progress bar (on a terminal) and one line a record."""

    def __init__(self, trainer: GroundingTrainer, console: Console):
        self._trainer = trainer
        self._console = console
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            MofNCompleteColumn() if trainer.clock.max_minutes is None else TextColumn("step {task.fields[step]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal or not trainer.is_world_process_zero(),
        )
        self._total = trainer.args.max_steps if trainer.clock.max_minutes is None else 1.0
        self._task = self._progress.add_task("training", total=self._total, step=0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the bar."""
        self._progress.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar."""
        done = state.global_step if self._trainer.clock.max_minutes is None else self._trainer.clock.progress
        self._progress.update(self._task, completed=done, step=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print the figures that tell most."""
        if not state.is_world_process_zero or logs is None or "train_runtime" in logs:
            return
        shown = {name: logs[name] for name in (SHOWN if "loss" in logs else logs) if name in logs and name != "epoch"}
        text = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self._console.print(f"step {state.global_step:>6}  {text}", highlight=False, soft_wrap=True)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put the bar away."""
        self.close()

    def close(self) -> None:
        """Put the bar away, also after an error, which ends no training."""
        self._progress.stop()


class Measuring(TrainerCallback):
    """Asks the trainer to measure itself every `every` steps (see `GroundingTrainer.evaluate`)."""

    def __init__(self, every: int):
        self._every = every

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Measure, if this step is one of those."""
        if state.global_step % self._every == 0:
            control.should_evaluate = True
