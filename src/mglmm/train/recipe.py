"""What a training run is: one YAML file, typed. Pure data, no torch."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mglmm.config import Recipe
from mglmm.schema import Task

HELD_OUT = 2**30
"""Seeds of the world from here on are held out."""

OWNED_TRAINER_KEYS = {
    "output_dir": "output",
    "seed": "seed",
    "data_seed": "seed",
    "resume_from_checkpoint": "output (a run goes on by itself)",
    "eval_strategy": "evaluate",
    "eval_steps": "evaluate",
    "load_best_model_at_end": "evaluate",
    "remove_unused_columns": "nothing: always off",
    "train_sampling_strategy": "nothing: the mixture orders its items itself",
    "num_train_epochs": "trainer.max_steps or max_minutes: the mixture has no end",
    "dataloader_drop_last": "nothing: the mixture has no end",
}
"""Settings of TrainingArguments that this project decides -> what to set instead."""


class Entry(Recipe):
    """What every entry of `data` has: `weight`, its share of the images that are trained on.

    `cap`: at most so many of its images are used, always the same ones. `family`: see `batches`; null: its own.
    """

    weight: Annotated[float, Field(gt=0)] = 1.0
    cap: Annotated[int, Field(gt=0)] | None = None
    family: str | None = None


class SeedData(Entry):
    """What is made on the fly of seeds `[start, end)`."""

    start: Annotated[int, Field(ge=0)] = 0
    end: int = HELD_OUT

    @model_validator(mode="after")
    def _in_order(self) -> "SeedData":
        if self.start >= self.end:
            raise ValueError(f"start {self.start} must be below end {self.end}")
        return self


class WorldData(SeedData):
    """Pictures of the procedural world, longer side `size` pixels."""

    source: Literal["world"]
    size: Annotated[int, Field(ge=32)] = 256


class EchoData(SeedData):
    """Requests for things of random description, whose words the answer repeats (`mglmm.world.echo`).

    Their pictures are blank, so that they need `with_image: false` and `grounded_share: 0`.
    """

    source: Literal["echo"]


class PhotoData(Entry):
    """Real photographs with masks: the `split` of the `sets` (folder names) under `root`.

    `root` null: the folder that the environment variable MGLMM_PHOTOS names.
    """

    source: Literal["photos"]
    root: str | None = None
    sets: tuple[str, ...]
    split: str = "train"
    augment: bool = True
    """Random crop and mirror; the turns are written afterwards."""


class SampleData(Entry):
    """Your own data: files of `Sample` records (JSON lines, Parquet, local or remote; `mglmm.data.records`).

    `tasks`: turns of these are made from the segments (`mglmm.data.tasks`) instead of those that the records hold; an
    image about which there is nothing of that to say is replaced by the next one.
    """

    source: Literal["samples"]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    tasks: tuple[Task, ...] = ()
    augment: bool = False
    """Random crop and mirror, before the turns are made; only with `tasks`."""

    @model_validator(mode="after")
    def _consistent(self) -> "SampleData":
        if self.augment and not self.tasks:
            raise ValueError("augment needs tasks: turns that are there already may say left or right")
        return self


Data = Annotated[WorldData | EchoData | PhotoData | SampleData, Field(discriminator="source")]


class LossWeights(Recipe):
    """Weights of the parts of the loss.

    Source: the published 1.0 cross-entropy + 2.0 mask BCE + 0.5 mask Dice (arXiv 2409.13407); `iou` trains the mask
    decoder's own estimate of its quality (SAM, arXiv 2304.02643, section A; weight ours). `words` teaches each image
    token the words of what lies at its place (`mglmm.model.losses.word_loss`; ours): without it a language model that
    is trained from scratch was still blind after 11,000 images, with it it began to see within 400 (docs/log.md).
    `points` teaches points of the grounding features likewise (ours; needs `config.prompt_similarity`): every segment
    of an image is told at once, the small ones as often as the large ones, at a fraction of the cost of its mask.
    """

    lm: Annotated[float, Field(ge=0)] = 1.0
    bce: Annotated[float, Field(ge=0)] = 2.0
    dice: Annotated[float, Field(ge=0)] = 0.5
    iou: Annotated[float, Field(ge=0)] = 0.0
    words: Annotated[float, Field(ge=0)] = 0.0
    points: Annotated[float, Field(ge=0)] = 0.0


class Evaluation(Recipe):
    """What is measured during training, on data that is not trained on.

    Every `every` steps: the losses of `samples` items of `data`, and (`answers` > 0) a score of freely generated
    answers to that many of them. With `ema_decay` the averaged weights are measured.
    """

    every: Annotated[int, Field(gt=0)] = 500
    samples: Annotated[int, Field(gt=0)] = 64
    answers: Annotated[int, Field(ge=0)] = 16
    max_new_tokens: Annotated[int, Field(gt=0)] = 256
    data: tuple[Data, ...] = (WorldData(source="world", start=HELD_OUT, end=HELD_OUT + 10_000),)


class Build(Recipe):
    """A new model (`mglmm.model.build`): the architecture `shape`, and a tokenizer learned from the data itself.

    `backbone` starts both image encoders from weights that are installed as a package; null: from random weights.
    """

    shape: dict[str, Any]
    vocab_size: Annotated[int, Field(ge=300)] = 3000
    tokenizer_samples: Annotated[int, Field(gt=0)] = 3000
    """Number of images whose texts the tokenizer is learned from."""
    backbone: Literal["efficientnet-lite0"] | None = None


class Resolution(Recipe):
    """Sides in pixels of the squares that the two encoders see (multiples of 32); for models that `build` made."""

    image: Annotated[int, Field(ge=32, multiple_of=32)]
    grounding: Annotated[int, Field(ge=32, multiple_of=32)]


class TrainRecipe(Recipe):
    """One training run.

    Patterns (`trainable`, `lr_groups`) are regular expressions that must match the full dotted name of a module or
    parameter; a module stands for everything inside it. `.*` is the whole model.
    """

    output: str
    """Folder of the run: checkpoints, logs, and in the end `model/` (and with LoRA `adapter/`)."""
    model: str = "new"
    """A model folder, a hub id, `default` (the one in this package), or `new`: made as `build` says."""
    build: Build | None = None
    """What a `model: new` looks like."""
    init_from: dict[str, str] = Field(default_factory=dict)
    """Module name -> model folder: take the weights under this name from there (`""`: all of them), or with
    `folder#name` those under another name: `sam.vision_encoder.backbone: out/words/model#lmm.model.vision_tower`."""
    resolution: Resolution | None = None
    """Let the model see images at another size than the one it was made for."""
    mask_threshold: float | None = None
    """The logit above which a pixel belongs to a mask, from now on (`MGLMMProcessor`); null: as it was."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type in which the weights are held. With `trainer.bf16` those that are trained are in float32 nevertheless;
    without it keep float32 for weights that are trained in full."""

    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    task_weights: dict[Task, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Task -> how often its conversations are chosen, relative to 1 for those not named; 0: never."""
    conversations_per_image: Annotated[int, Field(ge=0)] = 2
    """How many conversations about an image are trained on together; 0: none, images and their words alone."""
    uscdf: bool = True
    """Answers in the unified SegCap data format; false: an ablation (`mglmm.data.tasks.without_uscdf`)."""
    batches: Literal["mixed", "family"] = "mixed"
    """What a step sees: images of all entries of `data`, or only of entries of one `family`, another one each step."""
    packed: bool = False
    """Put all conversations about an image into one row that holds its tokens once (`mglmm.data.collate`)."""
    balanced: bool = False
    """Deal the images of each step out anew, so that processes have equally many tokens and masks and rows of a
    micro-batch are equally long (`mglmm.data.balance`). The step stays the same, but for the order of its sums."""
    grounded_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of each batch's images whose masks are trained too (if above 0, one at least); the others train the text
    alone, which is cheaper."""
    with_image: bool = True
    """False: the language model does not see the image, so a `[SEG]` can only speak of the words before it."""
    cache_grounding: Annotated[str, Field(min_length=1)] | None = None
    """Folder where the features of a frozen grounding encoder are kept, in float16: it runs once for each image
    (`mglmm.data.features`). Runs of the same encoder share it; null: the encoder runs in every step."""

    trainable: Annotated[tuple[str, ...], Field(min_length=1)] = (".*",)
    """What is trained in full; everything else is frozen (with LoRA: but for the adapters)."""
    lora: dict[str, Any] | None = None
    """Given to `peft.LoraConfig` as it stands."""
    quantize: Literal["bnb-8bit", "bnb-4bit"] | None = None
    """Hold the language model's frozen weights in 8 or 4 bits (QLoRA; needs `lora`). The result is whole again."""
    lr_groups: dict[str, float] = Field(default_factory=dict)
    """Pattern -> factor on the learning rate; the first pattern that matches counts."""
    loss: LossWeights = LossWeights()
    trainer: dict[str, Any] = Field(default_factory=dict)
    """Given to `transformers.TrainingArguments` as it stands."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Time budget of the run over all its restarts. The learning rate follows the clock, so it is annealed when time
    is up, however fast the machine; with `trainer.max_steps` too, whichever comes first."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 10.0
    """Time between checkpoints (besides those that `trainer` asks for)."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Keep an exponential moving average of the trained weights, in float32, and save that."""
    save_dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Type of the saved weights; None: as trained."""
    evaluate: Evaluation | None = None
    seed: int = 0
    """Order of the data and random numbers; with another one in each stage, each sees other images of the world."""

    @property
    def sharded(self) -> bool:
        """Whether each process holds only a part of the weights, or of their optimizer's state."""
        return bool(self.trainer.get("fsdp") or self.trainer.get("deepspeed"))

    @model_validator(mode="after")
    def _can_be_spread_and_squeezed(self) -> "TrainRecipe":
        """What sharding, quantisation and cached features cannot go together with."""
        if self.quantize is not None and self.lora is None:
            raise ValueError("quantize needs lora: weights of few bits are not trained themselves")
        for key, wanted in (
            ("ema_decay", self.ema_decay),
            ("quantize", self.quantize),
            ("loss.points", self.loss.points),
        ):
            if self.sharded and wanted:
                raise ValueError(f"{key} cannot be had with trainer.fsdp or trainer.deepspeed; leave one of them out")
        if self.balanced and self.grounded_share < 1:
            raise ValueError("balanced needs grounded_share: 1; it would choose which images come with their masks")
        if self.cache_grounding is not None:
            if not self.conversations_per_image and not self.loss.points:
                raise ValueError("cache_grounding is read by conversations and loss.points alone; leave it out")
            for number, entry in enumerate(self.data):
                if isinstance(entry, SeedData) and entry.cap is None:
                    raise ValueError(f"cache_grounding: data.{number}: its pictures never end; give it a cap")
                if not isinstance(entry, SeedData) and entry.augment:
                    raise ValueError(f"cache_grounding: data.{number}: augment changes its images; set augment: false")
        return self

    @model_validator(mode="after")
    def _masks_can_be_learned(self) -> "TrainRecipe":
        """What needs masks."""
        if self.grounded_share == 0:
            masked = {f"loss.{name}": getattr(self.loss, name) for name in ("bce", "dice", "iou", "points")}
            for key, value in {**masked, "cache_grounding": self.cache_grounding}.items():
                if value:
                    raise ValueError(f"{key} needs masks: with grounded_share: 0 leave it out or set it to 0")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "TrainRecipe":
        for key in self.trainer:
            if key in OWNED_TRAINER_KEYS:
                raise ValueError(f"trainer.{key} is not yours to set; use {OWNED_TRAINER_KEYS[key]}")
        max_steps = self.trainer.get("max_steps", 0)
        if not isinstance(max_steps, int):
            raise ValueError(f"trainer.max_steps: must be a whole number, not {max_steps!r}")
        if self.max_minutes is None and max_steps <= 0:
            raise ValueError("say how long to train: trainer.max_steps, max_minutes or both")
        if (self.model == "new") != (self.build is not None):
            raise ValueError("model: new needs build, and build is only for model: new")
        if self.conversations_per_image == 0 and not (self.loss.words or self.loss.points):
            raise ValueError("conversations_per_image: 0 leaves only loss.words and loss.points; give one a weight")
        if self.loss.words and not self.with_image:
            raise ValueError("loss.words must be 0 with with_image: false; there are no image tokens")
        if self.evaluate is not None and self.evaluate.answers and not self.conversations_per_image:
            raise ValueError("evaluate.answers must be 0 with conversations_per_image: 0; there are no questions")
        if self.evaluate is not None and self.evaluate.answers and not self.with_image:
            raise ValueError("evaluate.answers must be 0 with with_image: false; a blind model can answer nothing")
        trained = [entry for entry in self.data if isinstance(entry, SeedData)]
        if any(entry.end > HELD_OUT for entry in trained):
            raise ValueError(f"data: seeds of the world from {HELD_OUT} on are held out; end must not be above it")
        seen = (*self.data, *(self.evaluate.data if self.evaluate is not None else ()))
        if any(isinstance(entry, EchoData) for entry in seen) and (self.with_image or self.grounded_share):
            raise ValueError("data: echo has no pictures; set with_image: false and grounded_share: 0")
        return self
