"""The devices of a training, and what is divided among them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as Axes
from jaxtyping import Array, Float

from biglearn_sampler.compilation import is_known
from biglearn_sampler.devices.team import ALONE, AbstractTeam
from biglearn_sampler.errors import SettingsError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

POINTS, COMPONENTS = "points", "components"
"""Names of the axes of a mesh."""

SAME_FOR_ANY_BATCH = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""On a CPU: leaves out the library that divides sums over large batches otherwise than over small ones. An energy then
has the same digits however its points are shared out."""

MOST_PARTS = 32
"""Parts of the components at most: the smallest mixture that is fitted has so many."""


# Compared by identity: one training has one, and compiled code takes it as a constant.
@dataclass(frozen=True, eq=False)
class Devices:
    """The devices of a training.

    Every process does the same on each of its devices, but for the points of the energy, each of which is asked for on
    one device, and for components, where they are divided. All randomness is drawn by every device alike, and answers
    are collected before they are summed: so from two devices on the result does not depend on their number, bit for
    bit. What is compiled for a single one rounds otherwise. And on CPUs digits depend on the number of threads of a
    process, among which large products are divided.

    Arguments:
        mesh: of all devices of all processes, with the axes `POINTS` and `COMPONENTS`; `None` for a single one.
        team: the processes.
    """

    mesh: Mesh | None = None
    team: AbstractTeam = ALONE

    @classmethod
    def of(cls, count: int = 1, components: int = 1, team: AbstractTeam = ALONE) -> Devices:
        """The first devices of every process.

        Arguments:
            count: of each process, at least 1.
            components: parts into which the components of a mixture are divided, a power of two up to `MOST_PARTS`
                that divides the number of all devices; 1 leaves them whole.
            team: the processes.

        Raises:
            SettingsError: there are not so many devices, or they cannot be divided like that.
        """
        if count == 1 and components == 1 and team.size == 1:
            return ONE_DEVICE
        chosen = [device for process in range(team.size) for device in _devices_of(process, count)]
        if components & (components - 1) or components > MOST_PARTS or len(chosen) % components:
            raise SettingsError(
                f"devices.components: {components} parts were asked for; expected a power of two up to {MOST_PARTS} "
                f"that divides the number of devices, here {len(chosen)}"
            )
        grid = np.array(chosen).reshape(-1, components)
        return cls(Mesh(grid, (POINTS, COMPONENTS), axis_types=(AxisType.Auto, AxisType.Auto)), team)

    @property
    def count(self) -> int:
        """Number of devices of all processes."""
        return 1 if self.mesh is None else self.mesh.size

    @property
    def compiler_options(self) -> dict[str, Any]:
        """Under which everything is compiled whose digits must not depend on the number of devices."""
        on_cpu = self.mesh is not None and self.mesh.devices.flat[0].platform == "cpu"
        if not on_cpu:
            return {}
        otherwise = "digits may depend on the number of devices"
        known = all(is_known(*option, otherwise, logging.WARNING) for option in SAME_FOR_ANY_BATCH.items())
        return dict(SAME_FOR_ANY_BATCH) if known else {}

    @property
    def local_count(self) -> int:
        """Number of devices of this process."""
        return 1 if self.mesh is None else len(self.mesh.local_devices)

    @property
    def component_parts(self) -> int:
        """Number of parts into which components are divided."""
        return 1 if self.mesh is None else self.mesh.shape[COMPONENTS]

    @property
    def everywhere(self) -> NamedSharding | None:
        """The place of arrays that every device has whole, so that every process can read them."""
        return None if self.mesh is None else NamedSharding(self.mesh, Axes())

    def asked(self, function: Callable[[Float[Array, "count dim"]], T]) -> Callable[[Float[Array, "count dim"]], T]:
        """The same function of many points, of which each device is asked for its share; to be called in a `jit`.

        Where the points cannot be shared out evenly, the first one is asked for again as often as needed. The answers
        are the same on every device. Gradients may be taken in the points, not in what the function closes over.

        Arguments:
            function: takes points and gives arrays whose first axis counts them.
        """
        if self.mesh is None:
            return function
        everywhere, shared = self.everywhere, Axes((POINTS, COMPONENTS))
        # Energies may loop over constants, which the check of varying axes would not let pass.
        divided = jax.shard_map(function, mesh=self.mesh, in_specs=shared, out_specs=shared, check_vma=False)

        def of_shares(points: Float[Array, "count dim"]) -> T:
            count, missing = len(points), -len(points) % self.count
            # What comes before and after is the same on every device: it is not divided, nor fused with the energy.
            points = jax.lax.with_sharding_constraint(jax.lax.optimization_barrier(points), everywhere)
            repeated = jnp.broadcast_to(points[:1], (missing, *points.shape[1:]))
            filled = jnp.concatenate([points, repeated]) if missing else points
            answers = jax.lax.with_sharding_constraint(divided(filled), everywhere)
            return jax.lax.optimization_barrier(jax.tree.map(lambda answer: answer[:count], answers))

        return of_shares

    def by_component(self, arrays: T) -> T:
        """Arrays whose first axis counts components, every device with its part of them; to be called in a `jit`."""
        if self.mesh is None or self.component_parts == 1:
            return arrays
        return jax.lax.with_sharding_constraint(arrays, NamedSharding(self.mesh, Axes(COMPONENTS)))

    def shared(self, name: str, compiled: F, example: Callable[[], Any]) -> F:
        """A compiled function that all processes call when the leading one does; it gives arrays of this process.

        Arguments:
            name, example: see `AbstractTeam.shared`.
            compiled: gives arrays that are `everywhere`.
        """
        if self.mesh is None:
            return compiled
        together = self.team.shared(name, compiled, example)

        def called(*arguments: Any, **options: Any) -> Any:
            # What stays on many devices would be computed with on all of them.
            return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), together(*arguments, **options))

        return called  # pyright: ignore[reportReturnType]

    def acquaint(self) -> None:
        """Have all processes connect for every kind of exchange, and then do without JAX's own watch over them.

        The team knows at once who has gone, and says so in words; that watch would end the others with a trace as soon
        as the leading process is no longer there.
        """
        if self.team.size == 1:
            return
        for axes in ((POINTS, COMPONENTS), POINTS, COMPONENTS):
            total = jax.shard_map(
                partial(jax.lax.psum, axis_name=axes),
                mesh=self.mesh,
                in_specs=Axes(axes),
                out_specs=Axes(),
                check_vma=False,
            )
            jax.block_until_ready(jax.jit(total, out_shardings=self.everywhere)(np.ones(self.count)))
        jax.distributed.shutdown()

    def memory(self) -> int | None:
        """Bytes of memory of each device, where it tells; the processor does not."""
        device = jax.local_devices()[0] if self.mesh is None else self.mesh.local_devices[0]
        told: dict[str, Any] = device.memory_stats() or {}
        return told.get("bytes_limit")


ONE_DEVICE = Devices()
"""The default device and nobody else."""


def _devices_of(process: int, count: int) -> list[Any]:
    """The first `count` devices of a process."""
    there = [device for device in jax.devices() if device.process_index == process]
    if count <= len(there):
        return there[:count]
    kind = there[0].platform if there else "none"
    more = (
        f"; a CPU is divided into as many by the environment variable JAX_NUM_CPU_DEVICES={count}"
        if kind == "cpu"
        else ""
    )
    whose = "this machine" if jax.process_count() == 1 else f"process {process}"
    raise SettingsError(
        f"devices.count: {count} devices were asked for, and {whose} has {len(there)} ({kind}); "
        f"give --devices {max(len(there), 1)}{more}"
    )
