"""A plain NumPy function as a target: compiled code asks the host, one call for every batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.facts import UNKNOWN, Facts
from biglearn_sampler.energy.host_function import HostFunction, NumpyFunction
from biglearn_sampler.energy.host_quantities import HostQuantities
from biglearn_sampler.energy.origin import origin_of
from biglearn_sampler.energy.region import declared_dim, declared_region
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HostTarget(AbstractTarget):
    """A log density that is computed by NumPy, or by anything else that takes and gives arrays; see `from_numpy`."""

    host: HostFunction = field(metadata={"static": True})
    declared_centre: Float[Array, " dim"]
    declared_scale: Float[Array, " dim"]
    known: Facts = field(default=UNKNOWN, metadata={"static": True})
    names: HostQuantities | None = field(default=None, metadata={"static": True})

    @property
    def function(self) -> NumpyFunction:
        """The user's own."""
        return self.host.log_density

    @property
    def dim(self) -> int:
        return len(self.host.units)

    @property
    def centre(self) -> Float[Array, " dim"]:
        return self.declared_centre

    @property
    def scale(self) -> Float[Array, " dim"]:
        return self.declared_scale

    @property
    def facts(self) -> Facts:
        return self.known

    @property
    def price_of_gradient(self) -> Evaluations:
        return Evaluations(gradient=1) if self.host.has_gradient else Evaluations(energy=2 * self.dim + 1)

    @property
    def source_name(self) -> str:
        return origin_of(self.function)

    @property
    def has_names(self) -> bool:
        return self.names is not None

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return _asked(self.host, point)

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        return {"x": point} if self.names is None else self.names.at(jnp.asarray(point, float))


def from_numpy(
    log_density: NumpyFunction,
    *,
    dim: int,
    scale: ArrayLike,
    centre: ArrayLike = 0.0,
    gradient: NumpyFunction | None = None,
    value_and_gradient: NumpyFunction | None = None,
    quantities: NumpyFunction | None = None,
    facts: Facts | None = None,
) -> HostTarget:
    """A target from a NumPy function of many points, called on the host in whole batches.

    Arguments:
        log_density: takes points of shape `(count, dim)`, in double precision, and returns the unnormalised log
            density of each, shape `(count,)`. NaN and infinities count as density zero. It must not call jax.
        dim: number of coordinates, at least 1.
        scale: how far from the centre the mass may lie, one positive number or one for each coordinate.
        centre: where to look first, one number or one for each coordinate.
        gradient: takes the same points and returns the gradient of each, shape `(count, dim)`. Without one, central
            differences of `log_density` stand for it, at `2 dim + 1` evaluations for each point, which are counted:
            good for smooth energies in up to some dozens of dimensions.
        value_and_gradient: takes the same points and returns both; preferred to `gradient`.
        quantities: takes the same points and returns a dict from names to arrays `(count, ...)`, such as a model's
            parameters in their own units; the figures of a run then come under these names.
        facts: what is known about the target, for metrics only.

    Raises:
        TargetError: something is no function, or `dim`, `scale` or `centre` make no sense. What the functions return is
            looked at before a training.

    Example:
        >>> import numpy as np
        >>> target = from_numpy(lambda x: -0.5 * (x**2).sum(-1), gradient=lambda x: -x, dim=3, scale=2.0)
        >>> float(target.log_density(np.ones(3, np.float32)))
        -1.5
    """
    functions = {
        "log_density": log_density,
        "gradient": gradient,
        "value_and_gradient": value_and_gradient,
        "quantities": quantities,
    }
    for name, function in functions.items():
        if not callable(function) and (function is not None or name == "log_density"):
            raise TargetError(f"{name} must be a function of points of shape (count, dim), got {function!r}")
    if gradient is not None and value_and_gradient is not None:
        raise TargetError("give gradient or value_and_gradient, not both: which one would be right?")
    centre, scale = declared_region(declared_dim(dim), centre, scale)
    units = tuple(np.asarray(scale, float).tolist())
    host = HostFunction(log_density, gradient, value_and_gradient, units)
    names = None if quantities is None else HostQuantities.of(quantities, np.asarray(centre, float))
    return HostTarget(host, centre, scale, facts or UNKNOWN, names)


# A function of a point with a rule of its own: it works under vmap, jit, scan and grad, and where value and gradient
# are wanted together they come from one call.
@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _asked(host: HostFunction, point: Float[Array, " dim"]) -> Float[Array, ""]:
    point = jnp.asarray(point, float)
    return jax.pure_callback(host.value, jax.ShapeDtypeStruct((), point.dtype), point, vmap_method="expand_dims")


@_asked.defjvp
def _asked_jvp(
    host: HostFunction, primals: tuple[Float[Array, " dim"]], tangents: tuple[Float[Array, " dim"]]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    (point,), (tangent,) = primals, tangents
    forms = (jax.ShapeDtypeStruct((), point.dtype), jax.ShapeDtypeStruct(point.shape, point.dtype))
    value, gradient = jax.pure_callback(host.both, forms, point, vmap_method="expand_dims")
    return value, gradient @ tangent
