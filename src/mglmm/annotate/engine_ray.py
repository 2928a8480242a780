"""Many machines: the stages that need no model run as tasks of a Ray cluster.

Tasks and not Ray Data, because there one broken picture would end the whole data set.
"""

import os

from mglmm.annotate.records import Scene
from mglmm.annotate.stages import Prepare
from mglmm.schema import UserError

try:
    import ray
    from ray.exceptions import RayTaskError
except ModuleNotFoundError as error:
    raise UserError("--engine ray needs Ray: pip install 'mglmm[ray]'") from error


class RayTasks:
    """Makes scenes on the cluster of RAY_ADDRESS, or on one that is started on this machine. See `engine.Workers`.

    Pictures must be readable from every machine. `count`: processors of a cluster that is started here (None: all).
    """

    generation = 0

    def __init__(self, prepare: Prepare, count: int | None) -> None:
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(num_cpus=_cpus(count), log_to_driver=False, include_dashboard=False, configure_logging=False)
        # a picture that kills its process is not tried again
        self._make = ray.remote(num_cpus=1, max_retries=0)(_make)
        self._prepare = ray.put(prepare)

    async def submit(self, index: int) -> Scene:
        """The scene of a picture; raises what `Prepare` raises."""
        try:
            scene: Scene = await self._make.remote(self._prepare, index)
        except RayTaskError as error:
            raise error.cause from error
        return scene

    async def begin(self) -> None:
        """Nothing: Ray has answered when it was initialized."""

    def restart(self) -> None:
        """Nothing: Ray replaces its processes itself."""

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._started:
            ray.shutdown()


def _make(prepare: Prepare, index: int) -> Scene:
    return prepare(index)


def _cpus(count: int | None) -> int | None:
    """None, where a cluster is there already: its processors are what it has."""
    return None if os.environ.get("RAY_ADDRESS") else count
