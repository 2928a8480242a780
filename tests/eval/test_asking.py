"""Several processes, here as threads with a barrier between them, ask the same as one."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace

import pytest

from mglmm.eval import asking, run
from mglmm.eval.store import PREDICTIONS_NAME
from mglmm.schema import Prediction, UserError, read_jsonl
from tests.eval.test_run import BENCHMARK, MODEL, WORDS, Fake, made_set, wrong


@dataclass
class Process:
    """What `accelerate.PartialState` says to one of several processes."""

    process_index: int
    num_processes: int
    barrier: threading.Barrier

    @property
    def is_main_process(self):
        return self.process_index == 0

    def wait_for_everyone(self):
        self.barrier.wait(timeout=60)


def together(monkeypatch, out, predictors, **options):
    """Runs `generate` once for each predictor, at the same time; returns what each of them raised."""
    out.mkdir(exist_ok=True)
    local, barrier = threading.local(), threading.Barrier(len(predictors))
    monkeypatch.setattr(asking, "processes", lambda: local.process)
    raised = [None] * len(predictors)

    def one(index):
        local.process = Process(index, len(predictors), barrier)
        try:
            asking.generate(predictors[index], BENCHMARK, made_set(), out, **{"batch_size": 2} | options)
        except (KeyboardInterrupt, threading.BrokenBarrierError) as error:
            raised[index] = type(error)
            barrier.abort()

    threads = [threading.Thread(target=one, args=(k,)) for k in range(len(predictors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_asking_without_accelerate_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UserError, match=r"needs accelerate: pip install 'mglmm\[eval\]'"):
        asking.processes()


@pytest.fixture
def batch_by_batch(monkeypatch):
    """Few questions make several runs."""
    monkeypatch.setattr(asking, "BATCHES_A_RUN", 1)


def text(out):
    return (out / PREDICTIONS_NAME).read_text()


@pytest.mark.parametrize("num_processes", [2, 3, 7])
@pytest.mark.usefixtures("batch_by_batch")
def test_several_processes_answer_what_one_does(num_processes, monkeypatch, tmp_path):
    together(monkeypatch, tmp_path / "one", [Fake(change=wrong)])
    fakes = [Fake(change=wrong) for _ in range(num_processes)]
    assert together(monkeypatch, tmp_path / "many", fakes) == [None] * num_processes
    assert text(tmp_path / "many") == text(tmp_path / "one")
    assert [p.name for p in (tmp_path / "many").iterdir()] == [PREDICTIONS_NAME]
    # five batches of two, dealt out in turn
    shares = [2 * len(range(k, 5, num_processes)) for k in range(num_processes)]
    assert [fake.num_asked for fake in fakes] == shares


@pytest.mark.usefixtures("batch_by_batch")
def test_a_kill_in_one_process_loses_nothing(monkeypatch, tmp_path):
    together(monkeypatch, tmp_path / "one", [Fake(change=wrong)])
    raised = together(monkeypatch, tmp_path / "many", [Fake(change=wrong), Fake(change=wrong, patience=2)])
    assert KeyboardInterrupt in raised
    left = tmp_path / "many" / "predictions-1.jsonl"
    assert len(list(read_jsonl(left, Prediction))) == 2
    with left.open("a") as file:
        file.write('{"sample_id": "ma')
    fake = Fake(change=wrong)
    together(monkeypatch, tmp_path / "many", [fake])
    assert fake.num_asked == 2 and text(tmp_path / "many") == text(tmp_path / "one")


def test_a_run_of_batches_is_asked_in_one_go(monkeypatch, tmp_path):
    """So that an answer that ends makes room for the next question, not for the next batch."""
    asked = []

    class Noting(Fake):
        def ask_many(self, questions, *, batch_size, max_new_tokens):
            asked.append((len(questions), batch_size))
            return super().ask_many(questions, batch_size=batch_size, max_new_tokens=max_new_tokens)

    together(monkeypatch, tmp_path / "one", [Noting()])
    assert asked == [(8, 2), (2, 2)]
    together(monkeypatch, tmp_path / "two", [Noting(), Noting()])
    assert sorted(asked[2:]) == [(2, 2), (8, 2)]
    assert text(tmp_path / "one") == text(tmp_path / "two")


def test_a_longer_run_is_put_in_order_in_one_go(tmp_path):
    """The order is gone through as a whole, not once for each answer that is in the file."""

    class Counting(list):
        num_gone_through = 0

        def __iter__(self):
            Counting.num_gone_through += 1
            return super().__iter__()

    lines = [json.dumps({"sample_id": f"s{k}"}) for k in range(100)]
    path = tmp_path / PREDICTIONS_NAME
    path.write_text("\n".join(lines[::-1]) + "\n")
    asking.arrange(path, Counting((f"s{k}", 0) for k in range(50)))
    assert path.read_text().splitlines()[:50] == lines[:50]
    assert Counting.num_gone_through <= 3


def test_shares_are_taken_in_once(monkeypatch, tmp_path):
    together(monkeypatch, tmp_path, [Fake()])
    whole = text(tmp_path)
    # killed after the answers were taken over and before the share was removed
    (tmp_path / "predictions-1.jsonl").write_text("".join(whole.splitlines(keepends=True)[3:]))
    asking.absorb_shares(tmp_path)
    assert text(tmp_path) == whole and len(list(tmp_path.iterdir())) == 1


def test_answers_are_put_in_order(tmp_path, monkeypatch):
    together(monkeypatch, tmp_path, [Fake()])
    whole = text(tmp_path)
    path = tmp_path / PREDICTIONS_NAME
    path.write_text("".join(reversed(whole.splitlines(keepends=True))))
    keys = [question.key for question in BENCHMARK.questions(made_set())]
    asking.arrange(path, keys)
    assert path.read_text() == whole
    asking.arrange(path, keys[5:])
    assert path.read_text().splitlines()[:5] == whole.splitlines()[5:]
    assert sorted(path.read_text()) == sorted(whole)


def test_samples_without_images_cannot_be_asked_about(tmp_path):
    samples = replace(made_set(), image=None)
    with pytest.raises(UserError, match="no images to ask about"):
        run.evaluate(Fake(), BENCHMARK, samples, tmp_path, model=MODEL, measures=WORDS)


@pytest.mark.slow
def test_two_real_processes(tiny_model_dir, tmp_path):
    asked = ["-m", "mglmm.cli", "eval", "world-refer", "--seeds", "1073741824:1073741826", "--limit", "6"]
    asked += ["--batch-size", "2", "--max-new-tokens", "8", "--model", str(tiny_model_dir)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # the number of threads changes the last digits of the masks
    for command, out in (([sys.executable], "one"), (torchrun, "two")):
        subprocess.run([*command, *asked, "--out", str(tmp_path / out)], check=True, env=environment, timeout=600)
    assert text(tmp_path / "one") == text(tmp_path / "two")
    assert 'num_processes": 2' in (tmp_path / "two" / "scores.json").read_text()
