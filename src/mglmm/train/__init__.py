"""Training: a recipe in, a model folder out."""

from mglmm.train.recipe import TrainRecipe
from mglmm.train.run import train

__all__ = ["TrainRecipe", "train"]
