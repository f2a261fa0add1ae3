"""A target from a NumPyro distribution: the model with one latent site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import numpyro
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from numpyro.distributions import Distribution, biject_to

from biglearn_sampler.bridges.model_arguments import ModelArguments
from biglearn_sampler.bridges.model_target import PRIOR_DRAWS, target_of_model
from biglearn_sampler.bridges.numpyro_target import NumpyroTarget
from biglearn_sampler.bridges.sites import can_be_drawn
from biglearn_sampler.energy import UNKNOWN, Facts, MixtureTarget, origin_of
from biglearn_sampler.mixture import GaussianMixture


def target_of_distribution(
    distribution: Distribution, centre: ArrayLike | None = None, scale: ArrayLike | None = None
) -> NumpyroTarget | MixtureTarget:
    """The target of a distribution; one of a Gaussian mixture knows its own channels.

    Arguments:
        distribution: with any continuous support.
        centre, scale: as of `from_numpyro`.

    Raises:
        TargetError: as `from_numpyro`.
    """
    model: Callable[..., None] = _one_site
    arguments = ModelArguments.of((distribution,), {})
    if not _is_kept(distribution, arguments.restored()[0][0]):
        model, arguments = partial(_one_site, distribution), ModelArguments.of((), {})
    made_of = origin_of(distribution)
    target = target_of_model(model, arguments, centre, scale, _facts_of(distribution), made_of)
    try:
        mixture = GaussianMixture.from_numpyro(distribution)
    except ValueError:
        return _with_sound_draws(target)
    return MixtureTarget(mixture, target.centre, target.scale)


def _is_kept(given: Distribution, restored: Distribution) -> bool:
    """Whether a distribution is the same as a pytree; one's own class loses the attributes that it does not name."""
    before, after = vars(given), vars(restored)
    if not type(given).__module__.startswith("numpyro.") and not before.keys() <= after.keys():
        return False
    parts = [(part, after.get(name)) for name, part in before.items() if isinstance(part, Distribution)]
    return all(isinstance(kept, Distribution) and _is_kept(part, kept) for part, kept in parts)


def _with_sound_draws(target: NumpyroTarget) -> NumpyroTarget:
    """Without exact draws where some of them round to the edge of the support, which no coordinates have."""
    sample = target.known.sample
    if sample is None or np.isfinite(np.asarray(sample(jax.random.key(0), PRIOR_DRAWS))).all():
        return target
    return replace(target, known=replace(target.known, sample=None))


def _one_site(distribution: Distribution) -> None:
    numpyro.sample("x", distribution)


def _facts_of(distribution: Distribution) -> Facts:
    """A distribution that can be drawn from is normalised; an improper one can not."""
    if not can_be_drawn(distribution):
        return UNKNOWN

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
        draws = jax.vmap(distribution.sample)(jax.random.split(key, count))
        return jax.vmap(biject_to(distribution.support).inv)(draws).reshape(count, -1)

    return Facts(log_z=0.0, sample=sample)
