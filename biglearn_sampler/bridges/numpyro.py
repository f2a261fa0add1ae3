"""The door for NumPyro models and distributions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, overload

from numpy.typing import ArrayLike
from numpyro.distributions import Distribution

from biglearn_sampler.bridges.distribution_target import target_of_distribution
from biglearn_sampler.bridges.model_arguments import ModelArguments
from biglearn_sampler.bridges.model_target import target_of_model
from biglearn_sampler.bridges.numpyro_target import NumpyroTarget
from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.errors import TargetError


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
    own channels. Discrete latent sites with finitely many values are summed out, as NumPyro's own kernels do; this
    takes the extra `discrete`, and plates around what is independent.

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
        TargetError: no function and no distribution, no continuous latent site, a discrete one that cannot be summed
            out, a `numpyro.param`, a plate that subsamples, data that do not fit the model or its observed sites, a
            prior that is improper where the data say nothing, or a scale or centre that makes no sense.

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
        return target_of_distribution(model, centre, scale)
    _check_region_is_meant(model, args, {"scale": scale, "centre": centre})
    return target_of_model(model, ModelArguments.of(args, kwargs), centre, scale)


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
