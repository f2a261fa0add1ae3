"""A look at an energy before any training: its shape, its dtype, and where it is finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy.function_target import FunctionTarget
from biglearn_sampler.energy.host_probe import host_probe_evaluations, probe_host
from biglearn_sampler.energy.host_target import HostTarget
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError, raised_on_host

PROBES, FURTHER = 64, 2**14
"""Points at which an energy is looked at; and how many are tried where its density is zero at all of them."""


class Look(NamedTuple):
    """What a look at an energy gave.

    Arguments:
        points: where it was probed, in the target's own units.
        log_densities: there.
        evaluations: of energy and gradient that it took.
        searched: further evaluations of the energy that it took to find these points inside hard walls.
    """

    points: Float[np.ndarray, "points dim"]
    log_densities: Float[np.ndarray, " points"]
    evaluations: int
    searched: int = 0

    @property
    def dense_first(self) -> Float[np.ndarray, "points dim"]:
        """The points with a density that is not zero in their order, and behind them the others in theirs."""
        return self.points[np.argsort(~np.isfinite(self.log_densities), kind="stable")]


class _ZeroDensity(TargetError):
    """The density is zero at all points of a probe."""


def look(target: AbstractTarget, draw: Callable[[int], Float[Array, "count dim"]]) -> Look:
    """`probe` a target at a few points; where hard walls shut out all of these, at some of many more that they do not.

    Arguments:
        target: to look at.
        draw: gives so many points of the start region, the first ones the same however many.

    Raises:
        TargetError: see `probe`.
    """
    points = draw(PROBES)
    try:
        return Look(np.asarray(points, float), probe(target, points), probe_evaluations(target, PROBES))
    except _ZeroDensity:
        points = draw(FURTHER)[PROBES:]
        inside = points[np.isfinite(np.asarray(jit_quickly(jax.vmap(target.log_density))(points)))][:PROBES]
        if not len(inside):
            raise TargetError(_nowhere("-inf", FURTHER)) from None
        asked = PROBES * target.price_of_gradient.total + probe_evaluations(target, len(inside))
        return Look(np.asarray(inside, float), probe(target, inside), asked, searched=len(points))


def probe(target: AbstractTarget, points: Float[Array, "count dim"]) -> Float[np.ndarray, " count"]:
    """Evaluate a target at a few points and refuse what cannot be trained on.

    Isolated points that are not finite are allowed: training counts them as density zero.

    Returns:
        the log densities.

    Raises:
        TargetError: the log density raises, is no real scalar, is `+inf` somewhere, is finite nowhere, or its
            gradient is finite nowhere; the text says what came and what to do.
    """
    _check_form(target, points[0])
    for part, _ in target.asked_at(points):
        if isinstance(part, FunctionTarget):
            part.check_indices()
    values, gradients = _values_and_gradients(target, points)
    if np.isposinf(values).any():
        where = np.asarray(points)[np.isposinf(values)][0]
        raise TargetError(
            f"the log density is +inf at {_point(where)}; expected a number or -inf. The density must be "
            "bounded: check the sign (log density = -energy) and divisions by zero"
        )
    if not np.isfinite(values).any():
        if np.isnan(values).any():
            raise TargetError(_nowhere("NaN", len(values)))
        raise _ZeroDensity(_nowhere("-inf", len(values)))
    finite = np.isfinite(values)
    if np.ptp(values[finite]) > 0 and not gradients[finite].any():
        raise TargetError(
            "the gradient of the log density is zero everywhere in the start region, while its values differ; expected "
            "a function that is differentiable (look for rounding, integers, comparisons or stop_gradient). A density "
            "of several constant levels has no gradient that tells them apart: let it rise or fall a little on each, "
            "or join them by steep slopes"
        )
    if not np.isfinite(gradients[finite]).any():
        raise TargetError(
            "the gradient of the log density is not finite anywhere in the start region; expected finite "
            "numbers. Look for sqrt or log at zero, or for jnp.where around an infinite branch"
        )
    for part, asked in target.asked_at(points):
        if part is target and isinstance(part, HostTarget):
            probe_host(part, points, values, gradients)
        elif isinstance(part, HostTarget):
            probe_host(part, asked, *_values_and_gradients(part, asked))
    return values


def probe_evaluations(target: AbstractTarget, count: int) -> int:
    """What a look at so many points costs."""
    hosts = [part for part, _ in target.asked_at(jnp.zeros((1, target.dim))) if isinstance(part, HostTarget)]
    # Parts of a combination are asked at their own points once more.
    again = sum(count * part.price_of_gradient.total for part in hosts if part is not target)
    return count * target.price_of_gradient.total + again + sum(map(host_probe_evaluations, hosts))


def _nowhere(what: str, count: int) -> str:
    return (
        f"the log density is {what} at all {count} points of the start region; expected finite numbers. Declare a "
        "centre and a scale where the density is positive, or check the function"
    )


def _check_form(target: AbstractTarget, point: Float[Array, " dim"]) -> None:
    try:
        form = jax.eval_shape(target.log_density, point)
    except TargetError:
        raise
    except Exception as error:
        layout = target.layout if isinstance(target, FunctionTarget) else None
        where, takes = f"a point of shape {point.shape}", "one point"
        if layout is not None:
            where, takes = "one point as in like", f"one point as in like, which has {layout.told}"
        raise TargetError(
            f"the log density raised at {where}: {_told(error)}. It must be written with jax.numpy and take {takes}; "
            "a function of many points needs batched=True, and one that is written with NumPy is made a target by "
            "from_numpy"
        ) from error
    if not hasattr(form, "shape"):
        raise TargetError(f"the log density must return one number, got {type(form).__name__}")
    if form.shape != ():
        raise TargetError(
            f"the log density of one point of shape {point.shape} must be a scalar, got shape {form.shape}; "
            "sum over the coordinates, or say batched=True if it takes many points"
        )
    if not jnp.issubdtype(form.dtype, jnp.floating):
        raise TargetError(f"the log density must be a real floating-point number, got dtype {form.dtype}")


def _values_and_gradients(
    target: AbstractTarget, points: Float[Array, "count dim"]
) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, "count dim"]]:
    value_and_gradient = jit_quickly(jax.vmap(jax.value_and_grad(target.log_density)))
    try:
        values, gradients = jax.tree.map(np.asarray, value_and_gradient(points))
    except Exception as error:
        raised = raised_on_host(error)
        if raised is not None:
            raise raised from None
        raise TargetError(f"the gradient of the log density cannot be had: {_told(error)}") from error
    return values, gradients


def _told(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _point(point: np.ndarray) -> str:
    shown = ", ".join(f"{value:.4g}" for value in point[:6])
    return f"({shown}, ...)" if len(point) > 6 else f"({shown})"
