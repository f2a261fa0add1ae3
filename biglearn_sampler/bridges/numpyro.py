"""A NumPyro model or distribution as a target on its unconstrained space."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from numpyro.distributions import Distribution, TransformedDistribution, biject_to
from numpyro.distributions.transforms import ReshapeTransform
from numpyro.infer.util import constrain_fn, potential_energy

from biglearn_sampler.bridges.improper import check_integrable
from biglearn_sampler.bridges.model_arguments import ModelArguments, with_data_inside
from biglearn_sampler.bridges.observed_data import TrustedData, sound_sites
from biglearn_sampler.bridges.sites import (
    Site,
    can_be_drawn,
    check_sites,
    is_latent,
    is_observed,
    shape_of,
    traced,
    traced_plainly,
)
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import UNKNOWN, AbstractTarget, Facts, MixtureTarget, declared_region
from biglearn_sampler.errors import TargetError
from biglearn_sampler.mixture import GaussianMixture, Mixture

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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NumpyroTarget(AbstractTarget):
    """The joint density of a model's latent and observed sites, in unconstrained coordinates.

    `log_density(u) = log p(x(u), observed) + log |det dx/du|`, so `Z` is the model's marginal likelihood.
    Coordinates follow the names of the latent sites in alphabetical order, and the values of one site stand
    row by row. Made by `from_numpyro`.

    Arguments:
        model: the function with NumPyro statements.
        arguments: what it is called with.
        unravel: from a point to the unconstrained value of every latent site.
        declared_centre, declared_scale: where to look first, and how far.
        known: what is known, for metrics only.
    """

    model: Callable[..., Any] = field(metadata={"static": True})
    arguments: ModelArguments
    unravel: Callable[[Array], dict[str, Array]] = field(metadata={"static": True})
    declared_centre: Float[Array, " dim"]
    declared_scale: Float[Array, " dim"]
    known: Facts = field(default=UNKNOWN, metadata={"static": True})

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
    def facts(self) -> Facts:
        return self.known

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        args, kwargs = self.arguments.restored()
        return -jnp.asarray(potential_energy(self.model, args, kwargs, self.unravel(point)))

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """The latent and deterministic sites in the user's own names, units and shapes."""
        args, kwargs = self.arguments.restored()
        return constrain_fn(self.model, args, kwargs, self.unravel(point), return_deterministic=True)

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


@overload
def from_numpyro(
    model: Distribution, *, scale: ArrayLike | None = None, centre: ArrayLike | None = None
) -> NumpyroTarget | MixtureTarget: ...


@overload
def from_numpyro(
    model: Callable[..., Any],
    *args: Any,
    scale: ArrayLike | None = None,
    centre: ArrayLike | None = None,
    **kwargs: Any,
) -> NumpyroTarget: ...


def from_numpyro(
    model: Callable[..., Any] | Distribution,
    *args: Any,
    scale: ArrayLike | None = None,
    centre: ArrayLike | None = None,
    **kwargs: Any,
) -> NumpyroTarget | MixtureTarget:
    """A target from a NumPyro model and its data, or from a NumPyro distribution with any continuous support.

    A distribution is the model with one latent site, `x`; batch coordinates count as independent. A Gaussian
    mixture (`MultivariateNormal`, or `MixtureSameFamily` of those) becomes a `MixtureTarget`, which knows its
    own channels.

    Arguments:
        model: a function with NumPyro statements, or a distribution.
        args, kwargs: what the model is called with. Arrays are passed to compiled code, not baked into it;
            anything else, such as a size, is fixed.
        scale: how far from the centre the mass may lie, in unconstrained coordinates; one positive number or
            one for each. When left out, 1.4826 times the median absolute deviation of draws from the prior:
            the user has declared a prior, the posterior has not been seen. An improper prior declares nothing
            and counts as 1.
        centre: where to look first, likewise; when left out, the median of the same draws, and 0 if improper.

    Raises:
        TargetError: no function and no distribution, no latent site, a latent site that is discrete, a
            `numpyro.param`, a plate that subsamples, data that do not fit the model or its observed sites, a prior
            that is improper where the data say nothing, or a scale or centre that makes no sense.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def coin(heads, flips):
        ...     fairness = numpyro.sample("fairness", dist.Beta(2.0, 2.0))
        ...     numpyro.sample("heads", dist.Binomial(flips, fairness), obs=heads)
        >>> target = from_numpyro(coin, 7, flips=10)
        >>> target.dim
        1
    """
    if isinstance(model, Distribution):
        if args or kwargs:
            raise TargetError("a distribution takes no further arguments; only a model does")
        return _of_distribution(model, centre, scale)
    _check_region_is_meant(model, args, {"scale": scale, "centre": centre})
    return of_model(model, args, kwargs, centre, scale)


def of_model(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    centre: ArrayLike | None = None,
    scale: ArrayLike | None = None,
) -> NumpyroTarget:
    """The same of a model, whatever the names of its arguments.

    Raises:
        TargetError: as `from_numpyro`.
    """
    if not callable(model):
        raise TargetError(
            f"from_numpyro needs a NumPyro model (a function) or a distribution, got {type(model).__name__}"
        )
    return _of_model(model, ModelArguments.of(args, kwargs), centre, scale)


def _check_region_is_meant(model: Callable[..., Any], args: tuple[Any, ...], region: Mapping[str, Any]) -> None:
    """See that `scale` and `centre` cannot be arguments of the model.

    Raises:
        TargetError: the model has an argument of that name, which was not given by position.
    """
    given = [name for name, value in region.items() if value is not None]
    if not given or not callable(model):
        return
    try:
        signature = inspect.signature(model)
        bound = signature.bind_partial(*args).arguments
    except (TypeError, ValueError):  # what does not fit is told of the call itself
        return
    unclear = [name for name in given if name in signature.parameters and name not in bound]
    if unclear:
        raise TargetError(
            f"the model has an argument '{unclear[0]}' of its own; give it by position, and {unclear[0]}= will be that "
            "of the region, or wrap the model in a function without it"
        )


def _of_model(
    model: Callable[..., Any],
    arguments: ModelArguments,
    centre: ArrayLike | None,
    scale: ArrayLike | None,
    known: Facts = UNKNOWN,
) -> NumpyroTarget:
    try:
        if _looks_at_data(model, arguments):
            model, arguments = with_data_inside(model, arguments)
        trusting = TrustedData(model, _sound_sites(model, arguments))
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
    target = NumpyroTarget(trusting, arguments, unravel, *declared_region(flat.shape[0], centre, scale), known)
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


def _of_distribution(
    distribution: Distribution, centre: ArrayLike | None, scale: ArrayLike | None
) -> NumpyroTarget | MixtureTarget:
    model: Callable[..., None] = _one_site
    arguments = ModelArguments.of((distribution,), {})
    if not _is_kept(distribution, arguments.restored()[0][0]):
        model, arguments = partial(_one_site, distribution), ModelArguments.of((), {})
    target = _of_model(model, arguments, centre, scale, _facts_of(distribution))
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
