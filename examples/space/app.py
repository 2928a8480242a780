"""The studio as a Hugging Face Space: `MGLMM_MODEL` names another model than the one in the package."""

import os

from mglmm.engine import Engine
from mglmm.predict import load
from mglmm.studio.launch import serve

if __name__ == "__main__":
    model = os.environ.get("MGLMM_MODEL", "default")
    serve(Engine(load(model)), host="0.0.0.0", port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")), model=model)
