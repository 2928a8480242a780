"""The bars of the pipeline on the world, where the truth is known; `benchmarks/annotate.py` measures more pictures."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mglmm.annotate.stages import Crew

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "annotate.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("annotate_benchmark", BENCHMARK)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_exact_masks_keep_the_truth(benchmark: ModuleType) -> None:
    oracle = benchmark.Oracle()
    found = benchmark.measure(Crew(oracle, oracle), oracle, 25, "given")
    assert found["parent_accuracy"] >= 0.98
    assert found["label_accuracy"] >= 0.90
    assert found["phrase_mask_f1"] >= 0.90
    assert found["node_recall"] >= 0.97 and found["node_precision"] >= 0.99


def test_planted_faults_are_found(benchmark: ModuleType) -> None:
    """With a second model that errs in 2 % of its answers; the rules alone find what needs no knowledge."""
    found = benchmark.measure_faults(20, 0.1, 0.02)
    assert found["planted"] > 40
    assert found["recall"] >= 0.90 and found["false alarms"] <= 0.05
    alone = benchmark.measure_faults(20, 0.1, None)
    assert alone["recall by kind"]["wrong_label"] == alone["recall by kind"]["dropped_tag"] == 1.0
    assert alone["false alarms"] <= 0.01


def test_regions_find_something(benchmark: ModuleType) -> None:
    oracle = benchmark.Oracle()
    found = benchmark.measure(Crew(oracle, oracle), oracle, 6, "regions")
    assert found["node_recall"] >= 0.35 and found["node_precision"] >= 0.2
