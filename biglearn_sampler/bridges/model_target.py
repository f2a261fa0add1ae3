"""A target from a NumPyro model: its data, its coordinates, and where its prior says to look first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from numpyro.distributions import biject_to

from biglearn_sampler.bridges.discrete_sites import discrete_sites_of
from biglearn_sampler.bridges.improper import check_integrable
from biglearn_sampler.bridges.model_arguments import ModelArguments, with_data_inside
from biglearn_sampler.bridges.numpyro_target import NumpyroTarget
from biglearn_sampler.bridges.observed_data import TrustedData, sound_sites
from biglearn_sampler.bridges.sites import (
    Site,
    can_be_drawn,
    check_sites,
    is_latent,
    traced,
    traced_plainly,
    without_handlers,
)
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import UNKNOWN, Facts, declared_region, origin_of
from biglearn_sampler.errors import TargetError

PRIOR_DRAWS = 2000
"""Enough that the declared region is known to a few per cent, and still drawn in a moment."""

DEVIATIONS_TO_SIGMA = 1.4826
"""The standard deviation of a normal law is 1.4826 times its median absolute deviation."""

LOOKED_AT = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
"""What JAX raises where the value of an array is needed while only its shape is known."""


def target_of_model(
    model: Callable[..., Any],
    arguments: ModelArguments,
    centre: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    known: Facts = UNKNOWN,
    made_of: str | None = None,
) -> NumpyroTarget:
    """The target of a model with its arguments, whatever their names.

    Arguments:
        model: a function with NumPyro statements.
        arguments: what it is called with.
        centre, scale: as of `from_numpyro`.
        known: what is known about it.
        made_of: what it is named after; the model by default.

    Raises:
        TargetError: as `from_numpyro`.
    """
    if not callable(model):
        raise TargetError(
            f"from_numpyro needs a NumPyro model (a function) or a distribution, got {type(model).__name__}"
        )
    made_of = made_of or origin_of(without_handlers(model))
    try:
        if _looks_at_data(model, arguments):
            model, arguments = with_data_inside(model, arguments)
        sound = _sound_sites(model, arguments)
        discrete = discrete_sites_of(model, arguments)
        # What sums out discrete sites looks at laws, and knows no trusting ones.
        trusting = TrustedData(model, sound if discrete is None else frozenset())
        draw = partial(_prior_draw, model, arguments)
        forms = jax.eval_shape(draw, jax.random.key(0))
        improper = _has_improper_prior(model, arguments)
    except TargetError:
        raise
    except LOOKED_AT as error:
        raise TargetError(
            "the model decides by the value of a latent site, by an `if` or for a size "
            f"({type(error).__name__}); write it with jnp.where or jax.lax.cond, and with shapes that are fixed"
        ) from error
    except Exception as error:
        raise TargetError(
            f"the model cannot be called with its data: {told(error)}. It takes what follows it in from_numpyro, and "
            "shapes of data and of distributions must fit"
        ) from error
    flat, unravel = ravel_pytree(jax.tree.map(lambda form: jnp.zeros(form.shape, form.dtype), forms))
    if centre is None or scale is None:
        prior_centre, prior_scale = _prior_region(draw)
        centre = prior_centre if centre is None else centre
        scale = prior_scale if scale is None else scale
    region = declared_region(flat.shape[0], centre, scale)
    target = NumpyroTarget(trusting, arguments, unravel, *region, known, made_of, discrete)
    if improper:
        places = unravel(jnp.arange(target.dim, dtype=flat.dtype))
        check_integrable(target.log_density, target.centre, target.scale, traced_plainly(model, arguments), places)
    return target


def _looks_at_data(model: Callable[..., Any], arguments: ModelArguments) -> bool:
    """Whether a model needs the values of its data while it is compiled, for a size or a decision."""

    def run(given: ModelArguments) -> None:
        traced(model, given, jax.random.key(0))

    try:
        jax.eval_shape(run, arguments)
    except LOOKED_AT:
        return True
    return False


def _has_improper_prior(model: Callable[..., Any], arguments: ModelArguments) -> bool:
    """Whether a latent site has a prior without draws; found without computing anything, since most have none."""
    found = []

    def look(key: Key[Array, ""]) -> None:
        sites = traced(model, arguments, key).values()
        found.extend(site for site in sites if is_latent(site) and not can_be_drawn(site["fn"]))

    jax.eval_shape(look, jax.random.key(0))
    return bool(found)


def _prior_region(
    draw: Callable[[Key[Array, ""]], dict[str, Array]],
) -> tuple[Float[Array, " dim"], Float[Array, " dim"]]:
    """Median and scaled median absolute deviation: they exist for every prior, heavy tails included."""

    keys = jax.random.split(jax.random.key(0), PRIOR_DRAWS)
    # NumPy takes medians at once; XLA would compile a sort.
    drawn = jit_quickly(jax.vmap(lambda key: ravel_pytree(draw(key))[0]))
    points = np.asarray(drawn(keys))
    with np.errstate(invalid="ignore"):
        centre = np.median(points, axis=0)
        scale = DEVIATIONS_TO_SIGMA * np.median(np.abs(points - centre), axis=0)
    centre = np.where(np.isfinite(centre), centre, 0.0)
    return jnp.asarray(centre, float), jnp.asarray(np.where(np.isfinite(scale) & (scale > 0), scale, 1.0), float)


def _sound_sites(model: Callable[..., Any], arguments: ModelArguments) -> frozenset[str]:
    """The observed sites of a model whose data need not be looked at again."""
    found: set[str] = set()
    jax.eval_shape(lambda key: found.update(sound_sites(_checked(model, arguments, key))), jax.random.key(0))
    return frozenset(found)


def _checked(model: Callable[..., Any], arguments: ModelArguments, key: Key[Array, ""]) -> Mapping[str, Site]:
    """The sites of a model that can be a target, at a draw from its prior."""
    sites = traced(model, arguments, key)
    check_sites(sites)
    return sites


def _prior_draw(model: Callable[..., Any], arguments: ModelArguments, key: Key[Array, ""]) -> dict[str, Array]:
    """The unconstrained value of every latent site, drawn from the prior."""
    latent = {name: site for name, site in _checked(model, arguments, key).items() if is_latent(site)}
    return {name: biject_to(site["fn"].support).inv(site["value"]) for name, site in latent.items()}
