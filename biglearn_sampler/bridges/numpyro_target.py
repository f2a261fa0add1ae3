"""A NumPyro model as a target on its unconstrained space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, TransformedDistribution, biject_to
from numpyro.distributions.transforms import ReshapeTransform
from numpyro.infer.util import constrain_fn, potential_energy

from biglearn_sampler.bridges.discrete_sites import DiscreteSites
from biglearn_sampler.bridges.model_arguments import ModelArguments
from biglearn_sampler.bridges.sites import is_latent, is_observed, shape_of, traced, traced_plainly
from biglearn_sampler.energy import UNKNOWN, AbstractTarget, Facts
from biglearn_sampler.mixture import Mixture


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NumpyroTarget(AbstractTarget):
    """The joint density of a model's latent and observed sites, in unconstrained coordinates.

    `log_density(u) = log p(x(u), observed) + log |det dx/du|`, so `Z` is the model's marginal likelihood. Discrete
    sites are summed out. Coordinates follow the names of the latent sites in alphabetical order, and the values of
    one site stand row by row. Made by `from_numpyro`.

    Arguments:
        model: the function with NumPyro statements.
        arguments: what it is called with.
        unravel: from a point to the unconstrained value of every latent site.
        declared_centre, declared_scale: where to look first, and how far.
        known: what is known, for metrics only.
        made_of: the user's model or class of distributions, as `module:name`.
        discrete: the sites that are summed out, if there are any.
    """

    model: Callable[..., Any] = field(metadata={"static": True})
    arguments: ModelArguments
    unravel: Callable[[Array], dict[str, Array]] = field(metadata={"static": True})
    declared_centre: Float[Array, " dim"]
    declared_scale: Float[Array, " dim"]
    known: Facts = field(default=UNKNOWN, metadata={"static": True})
    made_of: str = field(default="", metadata={"static": True})
    discrete: DiscreteSites | None = field(default=None, metadata={"static": True})

    @property
    def dim(self) -> int:
        return self.declared_centre.shape[0]

    @property
    def centre(self) -> Float[Array, " dim"]:
        return self.declared_centre

    @property
    def scale(self) -> Float[Array, " dim"]:
        return self.declared_scale

    @property
    def source_name(self) -> str:
        return self.made_of or super().source_name

    @property
    def facts(self) -> Facts:
        return self.known

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        args, kwargs = self.arguments.restored()
        inputs = (args, kwargs, self.unravel(point))
        if self.discrete is not None:
            return -self.discrete.potential(self.model, *inputs)
        return -jnp.asarray(potential_energy(self.model, *inputs))

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """The latent and deterministic sites in the user's own names, units and shapes.

        Those that depend on a discrete site are left out: it has no value here.
        """
        args, kwargs = self.arguments.restored()
        inputs = (args, kwargs, self.unravel(point))
        if self.discrete is None:
            return constrain_fn(self.model, *inputs, return_deterministic=True)
        values = constrain_fn(self.discrete.held(self.model), *inputs, return_deterministic=True)
        return {name: value for name, value in values.items() if name not in self.discrete.dependents}

    def observed(self) -> dict[str, np.ndarray]:
        """The values of the observed sites, by name."""

        @jax.jit
        def values(arguments: ModelArguments) -> dict[str, Array]:
            sites = traced(self.model, arguments, jax.random.key(0))
            return {name: jnp.asarray(site["value"]) for name, site in sites.items() if is_observed(site)}

        return {name: np.asarray(value) for name, value in values(self.arguments).items()}

    def law_of(self, sampler: Mixture) -> Distribution:
        """A sampler as a law of the value of the latent site, on its support; of points, if there are several sites."""
        sites = traced_plainly(self.model, self.arguments)
        latent = [site for site in sites.values() if is_latent(site)]
        if len(latent) > 1:
            return sampler.to_numpyro()
        transform, shape = biject_to(latent[0]["fn"].support), shape_of(latent[0])
        rows = ReshapeTransform(transform.inverse_shape(shape), (self.dim,))
        return TransformedDistribution(sampler.to_numpyro(), [rows, transform])
