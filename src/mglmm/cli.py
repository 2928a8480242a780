"""The command `mglmm`. Torch and everything heavy is imported inside the commands, so that `--help` is quick.

A mistake that the user can mend is one plain line on stderr and exit code 2; Ctrl-C is one line and exit code 130.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.markup import escape

from mglmm import __version__, annotate_cli, data_cli, model_cli, serve_cli, studio_cli
from mglmm.arguments import check_libraries, check_picture_path, check_writable, positive, seed_range, whole
from mglmm.atomic import atomic_file
from mglmm.model_cli import quiet
from mglmm.schema import UserError

if TYPE_CHECKING:
    from mglmm.eval.scorers import Measures
    from mglmm.predict import ImagePrediction, Predictor

USER_ERROR = 2
INTERRUPTED = 130
"""Exit codes. Source: 2 as argparse has it, 130 = 128 + SIGINT as shells have it."""

CHAT_HELP = "Type an instruction; /save FILE writes the last answer as a picture, /quit or Ctrl-D ends."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command with these arguments (None: those of the process)."""
    warnings.filterwarnings("ignore", module="PIL")  # a picture that opens is good enough
    try:
        parsed = _parser().parse_args(arguments)
        parsed.run(parsed)
        sys.stdout.flush()
    except UserError as error:
        return _complain(str(error), USER_ERROR)
    except KeyboardInterrupt as interrupt:
        return _complain(str(interrupt) or "interrupted", INTERRUPTED)
    except BrokenPipeError:
        # the reader of our output has gone, as in `mglmm ... | head`; nothing is left to flush to at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def ask(options: argparse.Namespace) -> None:
    """Print the answer to one instruction about one picture; write it as JSON and as a picture if asked to."""
    if not options.instruction.strip():
        raise UserError("the instruction is empty; say what to describe, segment or answer")
    # everything that can be wrong is looked at before the model is loaded
    from mglmm.images import load_image

    load_image(options.image)
    to_stdout = options.json == "-"
    json_path = Path(options.json) if options.json and not to_stdout else None
    if json_path:
        check_writable(json_path)
    if options.save:
        check_picture_path(options.save)
    prediction = _predictor(options).ask(options.image, options.instruction, max_new_tokens=options.max_new_tokens)
    # the answer is shown first: whatever fails after that, it is not lost
    if to_stdout:
        print(prediction.to_json())
    else:
        show(prediction, Console())
    if json_path:
        _write_text(json_path, prediction.to_json() + "\n")
    if options.save:
        prediction.save(options.save)


def chat(options: argparse.Namespace) -> None:
    """A conversation about one picture: one instruction a line on stdin, until its end or /quit."""
    from mglmm.images import load_image

    image = load_image(options.image)
    console = Console()
    talk = _predictor(options).chat(image)
    interactive = sys.stdin.isatty()
    if interactive:
        console.print(CHAT_HELP, style="dim")
    while (line := _next_line(console, interactive)) is not None:
        try:
            if line == "/quit":
                return
            if line.startswith("/save"):
                _save_last(talk.turns, line.removeprefix("/save").strip())
            elif line:
                show(talk.ask(line, max_new_tokens=options.max_new_tokens), console)
        except UserError as error:
            # in a conversation a mistake costs one line, not the conversation
            _complain(str(error), USER_ERROR)


def world_render(options: argparse.Namespace) -> None:
    """Render pictures of the world into a folder; goes on where an earlier run of the same command stopped."""
    from mglmm.world.export import render_to

    first, end = options.seeds
    count = render_to(options.out, range(first, end), size=options.size, novel=options.novel)
    Console(stderr=True).print(f"{options.out}: {end - first} samples, {count} of them new", highlight=False)


def train(options: argparse.Namespace) -> None:
    """Run a training recipe; goes on from the last checkpoint of an interrupted run."""
    check_libraries("training", "train", "accelerate", "peft", "scipy", "tensorboard")
    from mglmm.train import train as run_recipe

    print(run_recipe(options.recipe, options.overrides))


def evaluate(options: argparse.Namespace) -> None:
    """Run a benchmark and print its scores; goes on where an interrupted run stopped."""
    from mglmm.eval.report import print_scores
    from mglmm.eval.run import run_benchmark
    from mglmm.eval.samples import Inputs

    out = options.out or Path("out") / "eval" / options.benchmark
    quiet()
    result = run_benchmark(
        options.benchmark,
        model=options.model,
        out=out,
        inputs=Inputs(options.seeds, options.data, options.split),
        measures=_measures(options),
        limit=options.limit,
        loading=_loading(options),
        batch_size=options.batch_size,
        max_new_tokens=options.max_new_tokens,
    )
    if result is not None:
        print_scores(result, Console())
        print(f"report: {out / 'report.html'}")


def score(options: argparse.Namespace) -> None:
    """Score predictions in files, whoever made them, and print the scores."""
    from mglmm.eval.foreign import score_files
    from mglmm.eval.report import print_scores

    out = options.out or Path("out") / "score" / options.benchmark
    result = score_files(
        options.benchmark,
        options.truth,
        options.predictions,
        out,
        text_similarity=options.text_similarity,
        captions=not options.no_captions,
        no_target_pixels=options.no_target_pixels,
        classes=options.classes,
        resamples=options.resamples,
        partial=options.partial,
    )
    print_scores(result, Console())
    print(f"report: {out / 'report.html'}")


def show(prediction: "ImagePrediction", console: Console) -> None:
    """Print an answer, its phrases on the colors of their masks, and one line about every mask."""
    from mglmm.viz import terminal_text

    console.print(terminal_text(prediction.answer) if prediction.answer.text else "(no answer)")
    num_pixels = prediction.size[0] * prediction.size[1]
    for segment in prediction.segments:
        x0, y0, x1, y1 = (round(edge) for edge in segment.box)
        share = f"{segment.area / num_pixels:.1%}"
        line = f"  {segment.label or '(no phrase)'}: {share} of the picture, box {x0},{y0} to {x1},{y1}"
        console.print(escape(line), style="dim", highlight=False)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as the user error that it is: one line."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise UserError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mglmm", description="Ask about pictures; the answers' phrases are tied to masks.")
    parser.add_argument("--version", action="version", version=f"mglmm {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = _command(commands, "ask", ask, "answer one instruction about one picture")
    command.add_argument("image", type=Path, metavar="IMAGE")
    command.add_argument("instruction", metavar="INSTRUCTION")
    _add_model_options(command)
    _add_length_option(command)
    command.add_argument("--json", metavar="OUT.json", help="write the answer as JSON; '-' prints JSON alone")
    command.add_argument("--save", type=Path, metavar="OUT.png", help="write the picture with its masks")

    command = _command(commands, "chat", chat, "talk about one picture, turn by turn")
    command.add_argument("image", type=Path, metavar="IMAGE")
    _add_model_options(command)
    _add_length_option(command)

    command = studio_cli.add_command(commands, _command, _predictor)
    _add_model_options(command)
    _add_length_option(command)

    world = commands.add_parser("world", help="the procedural world with exact ground truth")
    world_commands = world.add_subparsers(metavar="COMMAND", required=True)
    command = _command(world_commands, "render", world_render, "write pictures and samples.jsonl into a folder")
    command.add_argument("--seeds", type=seed_range, required=True, metavar="A:B", help="the end is exclusive")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--size", type=positive, default=256, metavar="PX", help="longer side (default: %(default)s)")
    command.add_argument("--novel", action="store_true", help="pairs of kind and color that training never shows")

    data = commands.add_parser("data", help="convert data sets to samples; check, count, show, cut and export them")
    data_cli.add_commands(data.add_subparsers(metavar="COMMAND", required=True), _command)

    annotate_cli.add_command(commands, _command)

    model_cli.add_commands(commands, _command)

    command = serve_cli.add_command(commands, _command)
    _add_model_options(command)
    command.set_defaults(load=_predictor)

    command = _command(commands, "train", train, "run a training recipe")
    command.add_argument("recipe", type=Path, metavar="RECIPE")
    command.add_argument("overrides", nargs="*", metavar="key=value", help="as in trainer.learning_rate=1e-4")

    _add_scoring(commands)
    return parser


def _add_scoring(commands: Any) -> None:
    """The two commands that end in scores."""
    command = _command(commands, "eval", evaluate, "run a benchmark; an unknown name lists them all")
    command.add_argument("benchmark", metavar="BENCHMARK")
    command.add_argument(
        "--seeds", type=seed_range, metavar="A:B", help="pictures of the world (default: 500 held out)"
    )
    command.add_argument("--data", type=Path, metavar="PATH", help="file of samples, or folder of photographs")
    command.add_argument("--split", metavar="S", help="of a file of samples, only those of this split")
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N questions")
    command.add_argument("--out", type=Path, metavar="DIR", help="(default: out/eval/BENCHMARK)")
    command.add_argument("--batch-size", type=positive, default=16, metavar="N", help="(default: %(default)s)")
    _add_score_options(command)
    _add_model_options(command)
    _add_length_option(command)

    command = _command(commands, "score", score, "score predictions in files: ours, or anyone's")
    command.add_argument("benchmark", metavar="BENCHMARK")
    command.add_argument(
        "--truth", type=Path, nargs="+", required=True, metavar="T", help="samples.jsonl, or COCO-style truth"
    )
    command.add_argument(
        "--predictions", type=Path, required=True, metavar="P", help="predictions.jsonl, a folder, or COCO results"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="(default: out/score/BENCHMARK)")
    command.add_argument("--partial", action="store_true", help="of COCO caption results, only the images answered")
    command.add_argument("--resamples", type=whole, default=1000, metavar="N", help="of the bootstrap; 0: no intervals")
    _add_score_options(command)


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], about: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=run.__doc__)
    command.set_defaults(run=run)
    return command


def _add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="default", metavar="M", help="'default', a folder, or a hub id")
    command.add_argument("--device", metavar="D", help="cpu, cuda:0, ..., auto (default: the accelerator, or cpu)")
    command.add_argument("--dtype", metavar="T", help="float32, float16 or bfloat16 (default: as the device)")
    command.add_argument("--quantize", metavar="Q", help="bnb-8bit, bnb-4bit, torchao-8bit or torchao-4bit")
    command.add_argument("--attention", metavar="A", help="sdpa, eager, flash_attention_2, ...")
    command.add_argument("--adapter", type=Path, metavar="DIR", help="LoRA weights of a training")
    command.add_argument("--compiled", action="store_true", help="compile the writing of tokens first (a minute)")


def _add_length_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-new-tokens", type=positive, default=512, metavar="N", help="(default: %(default)s)")


def _add_score_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--text-similarity",
        default="lexical",
        metavar="NAME",
        help="lexical, minilm, bert, or auto: bert if its weights are there, else minilm (default: %(default)s)",
    )
    command.add_argument(
        "--classes", type=Path, metavar="FILE", help="panoptic, semantic: list of classes (default: beside the samples)"
    )
    command.add_argument("--no-captions", action="store_true", help="no METEOR, CIDEr, ...: these need a Java")
    command.add_argument(
        "--no-target-pixels",
        type=positive,
        default=1,
        metavar="N",
        help="generalized referring: fewer predicted pixels mean that nothing is there (default: %(default)s)",
    )


def _measures(options: argparse.Namespace) -> "Measures":
    """What the scores depend on, as the options have it."""
    from mglmm.eval.classes import CLASSES_NAME
    from mglmm.eval.run import measures_of

    return measures_of(
        options.benchmark,
        text_similarity=options.text_similarity,
        captions=not options.no_captions,
        no_target_pixels=options.no_target_pixels,
        classes=options.classes or (options.data.parent / CLASSES_NAME if options.data else None),
    )


def _predictor(options: argparse.Namespace) -> "Predictor":
    """The model of the options, loaded with a word on the terminal while one waits."""
    console = Console(stderr=True)
    with console.status("loading the model"):
        quiet()
        from mglmm.predict import load

        return load(options.model, **_loading(options))


def _loading(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say about how the model is loaded."""
    return {
        name: getattr(options, name) for name in ("device", "dtype", "quantize", "attention", "adapter", "compiled")
    }


def _next_line(console: Console, interactive: bool) -> str | None:
    """The next line of stdin without the space around it; None at its end."""
    try:
        return (console.input("[bold]> [/bold]") if interactive else input()).strip()
    except EOFError:
        return None


def _save_last(turns: "Sequence[ImagePrediction]", name: str) -> None:
    if not name:
        raise UserError("/save needs a file, as in /save overlay.png")
    if not turns:
        raise UserError("/save: nothing has been answered yet")
    check_picture_path(Path(name))
    turns[-1].save(name)


def _write_text(path: Path, text: str) -> None:
    """Write atomically; UserError if it cannot be."""
    try:
        with atomic_file(path) as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _complain(message: str, code: int) -> int:
    print(f"mglmm: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
