"""The notebook runs from top to bottom and shows answers."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "ask.ipynb"


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not kept in git"
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(shown) == 3
    assert all("<mark" in html and "data:image/png;base64," in html for html in shown)
    streamed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert " px]" in streamed
    assert any(
        "Detections" in output.data["text/plain"] for output in outputs if "text/plain" in output.get("data", {})
    )
