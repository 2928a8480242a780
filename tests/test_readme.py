"""The README and the docs keep their promises: commands run, code runs, links lead somewhere, the file tree is true."""

import io
import json
import re
import shlex
import threading
from pathlib import Path

import pytest

from mglmm import predict
from mglmm.cli import main
from mglmm.config import load_recipe
from mglmm.eval.benchmarks import BENCHMARKS
from mglmm.schema import Sample

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
HAS_WEIGHTS = (ROOT / "src" / "mglmm" / "assets" / "default" / "config.json").is_file()

needs_weights = pytest.mark.skipif(not HAS_WEIGHTS, reason="the package holds no weights")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command line of the README's shell blocks, without comments."""
    lines = [line.split("  #")[0].strip() for block in blocks(README, "sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


MGLMM_COMMANDS = [c for c in commands() if re.search(r"\bmglmm (ask|chat|world|eval|info|annotate)", c)]
BUILD_COMMANDS = [c for c in commands() if c.startswith("mglmm build")]
DEMO_COMMANDS = [c for c in commands() if c.startswith("mglmm demo")]
TRAIN_COMMANDS = [c for c in commands() if c.startswith("mglmm train")]


def test_every_command_is_looked_at() -> None:
    others = set(commands()) - set(MGLMM_COMMANDS) - set(TRAIN_COMMANDS) - set(BUILD_COMMANDS) - set(DEMO_COMMANDS)
    assert {c.split()[0] for c in others} <= {"make", "."}
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {c.split()[1] for c in others if c.startswith("make ")} <= set(targets)
    assert len(MGLMM_COMMANDS) >= 6


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a command may write, with the examples in it."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@needs_weights
@pytest.mark.parametrize("command", MGLMM_COMMANDS)
def test_command_runs(
    command: str, clone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, _, command = command.rpartition(" | ")
    monkeypatch.setattr("sys.stdin", io.StringIO(" ".join(shlex.split(said)[1:])))
    arguments = shlex.split(command)
    assert arguments[0] == "mglmm"
    assert main(arguments[1:]) == 0
    captured = capsys.readouterr()
    assert "mglmm:" not in captured.err
    for option, path in zip(arguments, arguments[1:], strict=False):
        if option in ("--save", "--json", "--out") and path != "-":
            assert (clone / path).exists()
    if arguments[-2:] == ["--json", "-"]:
        json.loads(captured.out)


@pytest.mark.parametrize("command", TRAIN_COMMANDS)
def test_training_command_is_valid(command: str) -> None:
    from mglmm.train import TrainRecipe

    _, _, recipe, *overrides = shlex.split(command)
    load_recipe(ROOT / recipe, TrainRecipe, overrides)


@pytest.mark.parametrize("command", BUILD_COMMANDS)
def test_building_command_names_pairs_that_are_known(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The hub is not asked: what it would be asked for is looked up among the checkpoints that tests know."""
    from mglmm.model import join
    from tests.model.published import LANGUAGE, MASKS

    asked: list[object] = []
    monkeypatch.setattr(join, "build", lambda *arguments: asked.append(arguments) or tmp_path)
    assert main(shlex.split(command)[1:]) == 0
    ((lmm, sam, output, dtype, seed),) = asked
    assert lmm in LANGUAGE and sam in MASKS and dtype is None and seed == 0


@needs_weights
@pytest.mark.parametrize("command", DEMO_COMMANDS)
def test_demo_starts(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At a free port, ended as soon as it runs."""
    pytest.importorskip("gradio")
    from mglmm.studio import launch
    from tests.studio.server import free_port

    serve, port = launch.serve, free_port()
    stop = threading.Event()
    stop.set()
    monkeypatch.setattr(launch, "serve", lambda engine, **options: serve(engine, **{**options, "stop": stop}))
    assert main([*shlex.split(command)[1:], "--port", str(port)]) == 0
    assert f"http://127.0.0.1:{port}/" in capsys.readouterr().out


@needs_weights
@pytest.mark.parametrize("code", blocks(README, "python"))
def test_code_runs(code: str, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out


@needs_weights
def test_quickstart(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    exec(
        compile(source, ROOT / "examples" / "quickstart.py", "exec"),
        {"__name__": "__main__", "__file__": clone / "examples" / "x"},
    )
    assert capsys.readouterr().out.count("\n> ") == 3
    assert len(list((clone / "out" / "demo").glob("*.png"))) == 3


def tree() -> dict[str, int]:
    """Path -> line of the README's file tree; folders end with a slash."""
    block = re.search(r"## What is where\n\n```\n(.*?)```", README, re.DOTALL)
    assert block
    paths: dict[str, int] = {}
    folder = ""
    for number, line in enumerate(block[1].splitlines()):
        name = line.split()[0]
        indented = line.startswith(" ")
        paths[(folder if indented else "") + name] = number
        if not indented:
            folder = name if name.endswith("/") else ""
    return paths


def test_file_tree_is_true() -> None:
    listed = set(tree())
    missing = [path for path in listed if not (ROOT / path).exists() and path != "src/mglmm/assets/default/"]
    assert not missing
    package = ROOT / "src" / "mglmm"
    modules = {p.name for p in package.glob("*.py")} | {f"{p.parent.name}/" for p in package.glob("*/__init__.py")}
    assert {f"src/mglmm/{name}" for name in modules - {"__init__.py"}} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(there.read_text(encoding="utf-8"))


def anchors(text: str) -> list[str]:
    """GitHub's anchors of a page's headings; the second of the same name ends with -1, and so on."""
    found: list[str] = []
    names: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        name = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        found.append(f"{name}-{names.count(name)}" if name in names else name)
        names.append(name)
    return found


def test_example_record_of_the_format_page_is_valid() -> None:
    example = blocks((ROOT / "docs" / "format.md").read_text(encoding="utf-8"), "json")[0]
    sample = Sample.model_validate_json(example)
    assert sample.turns[0].answer.phrases == ("The red car", "a wheel")
    assert [s.area for s in sample.segments] == [4, 1]


def test_every_benchmark_is_described() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in BENCHMARKS)


def test_what_the_docs_name_exists() -> None:
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    assert f"at most {predict.MAX_NEW_TOKENS} new tokens" in page
    for module, name in re.findall(r"`((?:model|eval|train|data)\.\w+)\.(\w+)`", page):
        source = ROOT / "src" / "mglmm" / (module.replace(".", "/") + ".py")
        assert re.search(rf"\b{name}\b", source.read_text(encoding="utf-8")), f"{module}.{name}"


def test_changelog_has_the_version() -> None:
    import mglmm

    assert f"## [{mglmm.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f'version = "{mglmm.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
