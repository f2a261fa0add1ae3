"""Discrete latent sites of a NumPyro model, which are summed out as NumPyro's own kernels do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key
from numpyro import handlers
from numpyro.distributions import Distribution
from numpyro.infer.util import initialize_model, potential_energy

from biglearn_sampler.bridges.model_arguments import ModelArguments
from biglearn_sampler.bridges.sites import Site, is_discrete, is_latent, traced
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.errors import TargetError

CONFIGURATIONS = 8
"""In which a deterministic site is looked at, to see whether it depends on a discrete one."""


@dataclass(frozen=True)
class DiscreteSites:
    """What a model has beside its continuous sites: `p(x) = sum_z p(x, z)` over all values of `z`.

    Arguments:
        names: of the discrete latent sites.
        plates: how many dimensions of a batch plates take; sums stand to the left of them.
        dependents: deterministic sites that depend on a discrete one, and have no value once it is summed out.
    """

    names: tuple[str, ...]
    plates: int
    dependents: frozenset[str] = frozenset()

    def potential(self, model: Callable[..., Any], *inputs: Any) -> Array:
        """`- log sum_z p(x, z) |det dx/du|`.

        Arguments:
            model: with its discrete sites.
            inputs: arguments, named arguments, and the unconstrained value of every continuous site.
        """
        from numpyro.contrib.funsor import config_enumerate, enum

        return jnp.asarray(potential_energy(enum(config_enumerate(model), -self.plates - 1), *inputs, enum=True))

    def held(self, model: Callable[..., Any], configuration: int | Int[Array, ""] = 0) -> Callable[..., Any]:
        """The model with every discrete site at one of its values: the first, the last, or any, by configuration."""
        return handlers.substitute(model, substitute_fn=partial(self._value, configuration))

    def _value(self, configuration: int | Int[Array, ""], site: Site) -> Array | None:
        if site["type"] != "sample" or site["name"] not in self.names:
            return None
        support = site["fn"].enumerate_support(expand=True)
        key = jax.random.fold_in(jax.random.key(self.names.index(site["name"])), configuration)
        anywhere = jax.random.randint(key, support.shape[1:], 0, len(support))
        place = jnp.where(configuration < 2, configuration * (len(support) - 1), anywhere)
        return jnp.take_along_axis(support, place[None], 0)[0]


def discrete_sites_of(model: Callable[..., Any], arguments: ModelArguments) -> DiscreteSites | None:
    """The discrete latent sites of a model; `None` if it has none.

    Arguments:
        model: a function with NumPyro statements.
        arguments: what it is called with.

    Raises:
        TargetError: NumPyro cannot enumerate such a site, funsor is missing, or a batch is in no plate.
    """
    found: list[DiscreteSites] = []

    def look(key: Key[Array, ""]) -> None:
        sites = traced(model, arguments, key)
        names = tuple(name for name, site in sites.items() if is_discrete(site))
        for name in names:
            _check_values(name, sites[name]["fn"])
        samples = [site for site in sites.values() if site["type"] == "sample"]
        places = [frame.dim for site in samples for frame in site["cond_indep_stack"] if frame.dim is not None]
        found.append(DiscreteSites(names, -min(places, default=0)))

    jax.eval_shape(look, jax.random.key(0))
    (discrete,) = found
    if not discrete.names:
        return None
    _check_plates(model, arguments)
    return replace(discrete, dependents=_dependents(discrete, model, arguments))


def _check_values(name: str, distribution: Distribution) -> None:
    if not distribution.has_enumerate_support:
        raise TargetError(
            f"latent site '{name}' is discrete, and NumPyro cannot enumerate the values of a "
            f"{type(distribution).__name__}, so it cannot be summed out; observed sites may be of any kind"
        )
    if find_spec("funsor") is None:
        raise TargetError(
            f"latent site '{name}' is discrete; to sum it out takes the package funsor: "
            "pip install 'biglearn-sampler[discrete]'. Or write the sum yourself, for example with MixtureSameFamily"
        )


def _check_plates(model: Callable[..., Any], arguments: ModelArguments) -> None:
    """See, without computing anything, that NumPyro knows what is independent of what."""
    from numpyro.contrib.funsor import config_enumerate

    args, kwargs = arguments.restored()

    def prepare(key: Key[Array, ""]) -> None:
        initialize_model(key, config_enumerate(model), model_args=args, model_kwargs=kwargs, dynamic_args=True)

    try:
        jax.eval_shape(prepare, jax.random.key(0))
    except ValueError as error:
        raise TargetError(
            f"the discrete sites of the model cannot be summed out: {told(error)} Every batch needs a numpyro.plate "
            "that says what is independent, or .to_event(1)"
        ) from error


def _dependents(discrete: DiscreteSites, model: Callable[..., Any], arguments: ModelArguments) -> frozenset[str]:
    """Deterministic sites that differ between configurations of the discrete ones, all else being the same."""

    def values(configuration: Int[Array, ""]) -> dict[str, Array]:
        first = traced(discrete.held(model), arguments, jax.random.key(0))
        continuous = {name: site["value"] for name, site in first.items() if is_latent(site)}
        held = handlers.substitute(discrete.held(model, configuration), data=continuous)
        sites = traced(held, arguments, jax.random.key(0))
        return {name: jnp.asarray(site["value"]) for name, site in sites.items() if site["type"] == "deterministic"}

    if not jax.eval_shape(values, 0):
        return frozenset()
    found = jit_quickly(jax.vmap(values))(jnp.arange(CONFIGURATIONS))
    return frozenset(name for name, of_each in found.items() if np.any(of_each != of_each[:1]))
