"""The sites of a NumPyro model: how they are found, and which of them no target can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Key
from numpyro import handlers, primitives
from numpyro.distributions import Distribution, MaskedDistribution, biject_to
from numpyro.distributions.constraints import Constraint
from numpyro.distributions.distribution import validation_enabled

from biglearn_sampler.bridges.model_arguments import ModelArguments
from biglearn_sampler.errors import TargetError

Site = Mapping[str, Any]


def without_handlers(model: Callable[..., Any]) -> Callable[..., Any]:
    """The model inside the handlers around it; it takes the same arguments."""
    while isinstance(model, primitives.Messenger) and model.fn is not None:
        model = model.fn
    return model


def traced(model: Callable[..., Any], arguments: ModelArguments, key: Key[Array, ""]) -> Mapping[str, Site]:
    """The sites of one run of a model, latent ones drawn from their priors and improper ones at zero.

    All draws come from the key, also of a model that was seeded before: else every run would draw the same.
    """
    args, kwargs = arguments.restored()

    def value_of(site: Site) -> Array | None:
        at_zero = _improper_at_zero(site)
        return _drawn_anew(site, key) if at_zero is None else at_zero

    seeded = handlers.seed(handlers.substitute(FixedNoise(model), substitute_fn=value_of), key)
    return handlers.trace(seeded).get_trace(*args, **kwargs)


class FixedNoise(primitives.Messenger):
    """Answers `numpyro.prng_key()` with one key, as NumPyro's kernels do: noise of an energy must stay the same."""

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "prng_key" and msg["value"] is None:
            msg["value"] = jax.random.key(0)


def traced_plainly(model: Callable[..., Any], arguments: ModelArguments) -> Mapping[str, Site]:
    """The sites of one run with values that are no tracers, for what has to be known of a law itself.

    Not validated: a draw from a wide prior may overflow, which says nothing about the model.
    """
    with validation_enabled(is_validate=False):
        return traced(model, arguments, jax.random.key(0))


def is_latent(site: Site) -> bool:
    """Whether a site is one of the coordinates of the target."""
    return site["type"] == "sample" and not site["is_observed"] and not site["fn"].support.is_discrete


def is_discrete(site: Site) -> bool:
    """Whether a site is no coordinate since its values are discrete; it is summed out."""
    return site["type"] == "sample" and not site["is_observed"] and site["fn"].support.is_discrete


def shape_of(site: Site) -> tuple[int, ...]:
    """The shape of the value of a site, with `sample_shape` and the steps of a `scan` where it has them."""
    if site["value"] is not None:
        return jnp.shape(site["value"])
    return site["fn"].shape(site["kwargs"].get("sample_shape") or ())


def is_observed(site: Site) -> bool:
    """Whether a site has data."""
    return site["type"] == "sample" and site["is_observed"]


def can_be_drawn(distribution: Distribution) -> bool:
    """Whether a distribution has draws of its density; an improper one has none.

    Nor has one that is masked: it draws, and where it is masked its density is the same everywhere. Of some a draw
    takes a package that is not there.
    """
    if is_masked(distribution):
        return False
    try:
        jax.eval_shape(distribution.sample, jax.random.key(0))
    except (NotImplementedError, ImportError):
        return False
    return True


def is_masked(distribution: Distribution) -> bool:
    """Whether the density of a distribution is left out of that of the model, somewhere at least."""
    base = getattr(distribution, "base_dist", None)
    if isinstance(distribution, MaskedDistribution):
        mask = distribution._mask
        # Inside compiled code nobody can tell; then it may be.
        if isinstance(mask, Tracer) or not np.all(mask):
            return True
    return isinstance(base, Distribution) and is_masked(base)


def check_sites(sites: Mapping[str, Site]) -> None:
    """Refuse a model that is no target.

    Raises:
        TargetError: a parameter, a plate that subsamples, a continuous latent site that has no transform, no such site
            at all, or observed values whose shape makes more than one number of each.
    """
    for name, site in sites.items():
        if site["type"] == "param":
            raise TargetError(f"site '{name}' is a numpyro.param, which has no prior; make it a sample site or fix it")
        if site["type"] == "plate" and site["args"][1] not in {None, site["args"][0]}:
            size, seen = site["args"]
            raise TargetError(
                f"plate '{name}' sees {seen} of {size} elements at a time, so the energy would be random; "
                "leave subsample_size out"
            )
        if is_latent(site):
            _check_support(name, site["fn"].support)
        elif is_observed(site):
            _check_observed(name, site["fn"], jnp.shape(site["value"]))
    if not any(is_latent(site) for site in sites.values()):
        for name, site in sites.items():
            if is_discrete(site):
                raise TargetError(
                    f"latent site '{name}' is discrete; a target needs continuous coordinates, and here are none"
                )
        raise TargetError("the model has no latent site: every sample statement is observed")


def _check_support(name: str, support: Constraint) -> None:
    try:
        biject_to(support)
    except NotImplementedError:
        raise TargetError(
            f"latent site '{name}' lives on {support}, which NumPyro cannot map to unconstrained coordinates; "
            "write it with another distribution, or reparametrise it"
        ) from None


def _check_observed(name: str, distribution: Distribution, shape: tuple[int, ...]) -> None:
    """A column of values beside a row of laws would silently count every pair."""
    batch, event = shape[: len(shape) - distribution.event_dim], shape[len(shape) - distribution.event_dim :]
    try:
        pairs = np.broadcast_shapes(batch, distribution.batch_shape)
    except ValueError:
        pairs = None
    if event != distribution.event_shape or pairs not in {batch, distribution.batch_shape}:
        raise TargetError(
            f"observed site '{name}' has values of shape {shape} and a distribution of batch shape "
            f"{distribution.batch_shape} and event shape {distribution.event_shape}; expected one value for each "
            "element of the batch"
        )


def _improper_at_zero(site: Site) -> Array | None:
    """A law without draws, an improper prior above all; its unconstrained value is set to zero."""
    if not is_latent(site) or can_be_drawn(site["fn"]):
        return None
    transform = biject_to(site["fn"].support)
    return transform(jnp.zeros(transform.inverse_shape(shape_of(site))))


def _drawn_anew(site: Site, key: Key[Array, ""]) -> Array | None:
    """The draw of a site that has a key already, by one that depends on both."""
    seeded = site["kwargs"].get("rng_key") if is_latent(site) else None
    if seeded is None:
        return None
    data = jax.random.key_data(seeded) if jnp.issubdtype(seeded.dtype, jax.dtypes.prng_key) else seeded
    for number in data.ravel():
        key = jax.random.fold_in(key, number)
    return site["fn"](*site["args"], **{**site["kwargs"], "rng_key": key})
