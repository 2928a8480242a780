"""Tasks of Label Studio that `mglmm data export label-studio` made, as people have reviewed them."""

from pathlib import Path
from typing import Any

from mglmm.data.label_studio import reviewed
from mglmm.data.readers.files import check_image, existing
from mglmm.data.readers.json_stream import elements
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.schema import Sample, UserError


class Work(SourceRecord):
    """An annotation or a prediction. `was_cancelled`: the reviewer skipped the task."""

    result: list[dict[str, Any]] = []
    was_cancelled: bool = False


class Data(SourceRecord):
    """What a task is about; `record` is the sample without its masks."""

    record: dict[str, Any]


class LabelStudioTask(SourceRecord):
    """A task of Label Studio's JSON export."""

    data: Data
    annotations: list[Work] = []
    predictions: list[Work] = []


def label_studio(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    reviewed_only: bool = True,
) -> Reading:
    """Samples that people have reviewed in Label Studio: masks, labels, captions and answers as they left them.

    The last annotation of a task counts. A task that was skipped, or that nobody has looked at, is left out; with
    `reviewed_only=false` it stays as it was. The images' paths are those that the samples had: `ROOT` is the folder
    that the tasks were exported to.

    Source: `mglmm data export label-studio`, then "Export, JSON" in Label Studio (https://labelstud.io).
    Licence: that of the samples.
    Tree: `ROOT/SPLIT.json`.
    Convert: `mglmm data convert label-studio --root ROOT --split reviewed --out reviewed.jsonl`
    """
    path = existing(root / f"{split}.json", "the tasks, exported from Label Studio as JSON")

    def _build(item: tuple[int, bytes]) -> Sample:
        place = f"{path}, task {item[0] + 1}"
        task = LabelStudioTask.parse(item[1], place)
        work = [a for a in task.annotations if not a.was_cancelled] or task.predictions
        if not work:
            raise UserError(f"{place}: has neither an annotation nor a prediction")
        try:
            sample = reviewed(task.data.record, work[-1].result)
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise UserError(f"{place}: not as `mglmm data export label-studio` makes it ({error!r})") from None
        if check_images:
            check_image(root / sample.image, sample.size)
        return sample

    tasks = (
        (number, element.raw)
        for number, element in enumerate(elements(path))
        if not reviewed_only or _is_reviewed(element.value)
    )
    return Reading(tasks, _build, lambda item: f"{path}, task {item[0] + 1}", on_bad)


def _is_reviewed(task: Any) -> bool:
    """Whether an annotation of the task was handed in; true as well for what is no task, so that it is refused."""
    annotations = task.get("annotations", ()) if isinstance(task, dict) else None
    if not isinstance(annotations, list | tuple) or not all(isinstance(a, dict) for a in annotations):
        return True
    return any(not annotation.get("was_cancelled") for annotation in annotations)
