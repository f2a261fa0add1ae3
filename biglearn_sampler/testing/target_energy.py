"""Checks of a target's energy: its form, its gradient, and that it is one pure function of a point."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.testing.fault import Fault, called
from biglearn_sampler.testing.points import (
    compiled_slopes,
    double_precision,
    log_densities,
    ordinary_points,
    point_text,
    region_points,
    rounding_error,
    slopes_of,
)
from biglearn_sampler.testing.repeat import expect_same
from biglearn_sampler.testing.shared import shared

KEY = 21
FEW = 5
DIRECTIONS = 4

SINGLE = float(np.finfo(np.float32).eps)

RICHARDSON = 10.0
"""The error of a difference is about a third of how much it changes with half the step."""


def check_region(target: AbstractTarget) -> None:
    """The dimension is at least 1; centre and scale are finite vectors of that length, the scale positive."""
    if isinstance(target.dim, bool) or not isinstance(target.dim, int) or target.dim < 1:
        raise Fault(f"dim must be a whole number of at least 1, got {target.dim!r}")
    for name in ("centre", "scale"):
        value = np.asarray(called(f"the property `{name}`", getattr, target, name))
        if value.shape != (target.dim,) or not np.issubdtype(value.dtype, np.floating):
            raise Fault(f"{name} must be {target.dim} real numbers, got shape {value.shape} of {value.dtype}")
        if not np.isfinite(value).all() or (name == "scale" and not (value > 0).all()):
            expected = "finite and positive" if name == "scale" else "finite"
            raise Fault(f"{name} must be {expected} in every coordinate, got {point_text(value)}")


def check_log_density(target: AbstractTarget) -> None:
    """The log density of a point is a real scalar: finite somewhere in the declared region, never +inf or NaN."""
    points = region_points(target)
    _check_form(target)
    values = called("the log density under jax.jit(jax.vmap(...))", log_densities, target, points)
    for bad, name in ((np.isposinf(values), "+inf"), (np.isnan(values), "NaN")):
        if bad.any():
            raise Fault(
                f"the log density is {name} at {point_text(points[bad][0])}; expected a number, or -inf where the "
                "density is zero. Check the sign (log density = -energy), divisions by zero, and logarithms of "
                "what may be negative"
            )
    if not np.isfinite(values).any():
        raise Fault(
            f"the log density is -inf at all {len(values)} points of the declared region; expected finite numbers. "
            "Declare a centre and a scale where the density is positive"
        )


def check_pure(target: AbstractTarget) -> None:
    """The same point has the same log density, however often it is asked for."""
    point = jnp.asarray(ordinary_points(target)[0])
    first = called("the log density", target.log_density, point)
    for _ in range(3):
        expect_same("the log density of one point", first, called("the log density", target.log_density, point))


def check_gradient(target: AbstractTarget) -> None:
    """The gradient can be had with JAX, many points at once."""
    slopes_of(target)


def check_compiled(target: AbstractTarget) -> None:
    """The log density is the same inside compiled code as outside."""
    points = ordinary_points(target)[:FEW]
    one_by_one = jax.jit(target.log_density)
    compiled = [float(called("the log density inside jax.jit", one_by_one, point)) for point in points]
    _expect_close(target, _plain(target), compiled, "plain and inside jax.jit")


def check_vectorised(target: AbstractTarget) -> None:
    """Many points at once have the log densities that they have one by one, so that batches of any size agree."""
    values = called("the log density under jax.vmap", log_densities, target, ordinary_points(target))
    _expect_close(target, _plain(target), values[:FEW], "one by one and in a large batch")


def check_precision(target: AbstractTarget) -> None:
    """Single precision, the default of JAX, is enough: double precision gives the same, as far as it matters."""
    points = ordinary_points(target)
    single = log_densities(target, points)
    with jax.enable_x64(True):
        double = called("the log density in double precision", log_densities, target, points)
    hint = ". Look for log of a sum of exp (use logsumexp) and for differences of large numbers"
    _expect_close(target, double, single, "in double and in single precision", hint)


def check_differentiable(target: AbstractTarget) -> None:
    """The gradient is that of central differences along random directions, wherever the log density is finite.

    It is a number at the declared centre and at known modes too, where norms and square roots often have none.
    Two steps tell the error of the differences: a kink in the way widens the tolerance, a wrong gradient does not. An
    energy that computes in single precision inside gets the steps of that: a wrong gradient is wrong with both.
    """
    points, slopes = ordinary_points(target).astype(float), slopes_of(target)
    _expect_finite(points, slopes.gradients)
    special = _special_points(target)
    with double_precision(target):
        values, gradients = compiled_slopes(target)(jnp.asarray(special, float))
    _expect_finite(special[np.isfinite(values)], np.asarray(gradients)[np.isfinite(values)])
    directions = np.random.default_rng(KEY).normal(size=(DIRECTIONS, *points.shape)) * np.asarray(target.scale)
    along = (slopes.gradients * directions).sum(axis=-1)
    narrow, wrong = along, np.ones(along.shape, bool)
    for epsilon in sorted({slopes.epsilon, SINGLE}):
        step = epsilon ** (1.0 / 3.0)
        wide, narrow = (_differences(target, points, directions, each) for each in (step, step / 2))
        tolerance = RICHARDSON * np.abs(wide - narrow) + 1e-5 * np.abs(slopes.gradients * directions).sum(axis=-1)
        tolerance += 10.0 * epsilon * (1.0 + np.abs(slopes.values)) / step
        wrong &= np.abs(along - narrow) > tolerance
        if not wrong.any():
            return
    direction, point = np.argwhere(wrong)[0]
    raise Fault(
        f"the gradient at {point_text(points[point])} is wrong: its slope along "
        f"{point_text(directions[direction, point])} is {along[direction, point]:.6g}, and central differences "
        f"of the log density give {narrow[direction, point]:.6g}. Look for custom_jvp, custom_vjp or stop_gradient"
    )


def check_quantities(target: AbstractTarget) -> None:
    """`quantities` gives a dict of arrays, with the same names and shapes for every point, also compiled."""
    points = ordinary_points(target)[:2]
    forms = []
    for point in points:
        found = called("`quantities`", target.quantities, jnp.asarray(point))
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
            raise Fault(f"`quantities` must give a dict with text keys, got {found!r}")
        forms.append({name: np.shape(value) for name, value in found.items()})
    batched = called("`quantities` inside jax.jit(jax.vmap(...))", jax.jit(jax.vmap(target.quantities)), points)
    forms.append({name: np.shape(value)[1:] for name, value in batched.items()})
    if any(form != forms[0] for form in forms):
        raise Fault(f"`quantities` must have the same names and shapes for every point, got {forms}")


def check_described(target: AbstractTarget) -> None:
    """`describe` gives a dict of texts."""
    told = called("`describe`", target.describe)
    if not isinstance(told, dict) or not all(isinstance(text, str) for pair in told.items() for text in pair):
        raise Fault(f"`describe` must give a dict of texts, got {told!r}")


def _check_form(target: AbstractTarget) -> None:
    point = jax.ShapeDtypeStruct((target.dim,), np.float32)
    form = called(
        f"the log density of one point of shape {point.shape} (it must be written with jax.numpy; a function of many "
        "points needs batched=True)",
        jax.eval_shape,
        target.log_density,
        point,
    )
    shape, dtype = getattr(form, "shape", None), getattr(form, "dtype", type(form))
    if shape != () or not jnp.issubdtype(dtype, jnp.floating):
        raise Fault(
            f"the log density of one point must be a real scalar, got shape {shape} of {dtype}. Sum over the "
            "coordinates, or say batched=True if the function takes many points"
        )


@shared
def _plain(target: AbstractTarget) -> np.ndarray:
    """Log densities of the first ordinary points, one by one and not compiled."""
    points = ordinary_points(target)[:FEW]
    return np.array([float(called("the log density", target.log_density, jnp.asarray(point))) for point in points])


def _expect_close(target: AbstractTarget, expected: np.ndarray, got: Any, how: str, hint: str = "") -> None:
    """Two computations at the first ordinary points."""
    found, tolerance = np.asarray(got, float), rounding_error(target)[: len(expected)]
    off = np.isfinite(expected) & ~np.isclose(found, expected, rtol=0.0, atol=tolerance)
    if off.any():
        first = int(np.argmax(off))
        raise Fault(
            f"the log density at {point_text(ordinary_points(target)[first])}, {how}, is {expected[first]:.6g} and "
            f"{found[first]:.6g}; expected the same up to rounding{hint}"
        )


def _special_points(target: AbstractTarget) -> np.ndarray:
    """As many points as there are ordinary ones: the declared centre and the first known modes, and those again."""
    modes = target.facts.modes
    known = np.empty((0, target.dim)) if modes is None else np.asarray(modes, float)
    return np.resize(np.concatenate([np.asarray(target.centre, float)[None], known]), ordinary_points(target).shape)


def _expect_finite(points: np.ndarray, gradients: np.ndarray) -> None:
    """Gradients at points where the log density is finite."""
    if not np.isfinite(gradients).all():
        where = points[~np.isfinite(gradients).all(axis=1)][0]
        raise Fault(
            f"the gradient is not finite at {point_text(where)}, where the log density is; expected a number. Look for "
            "sqrt, log or a norm at zero, or for jnp.where around an infinite branch"
        )


def _differences(target: AbstractTarget, points: np.ndarray, directions: np.ndarray, step: float) -> np.ndarray:
    """Slopes along directions, shape `(directions, points)`; NaN where an end has density zero."""
    ends = np.stack([points + step * directions, points - step * directions])
    with double_precision(target):
        values = log_densities(target, ends.reshape(-1, points.shape[1])).reshape(ends.shape[:-1])
    with np.errstate(invalid="ignore"):
        return (values[0] - values[1]) / (2.0 * step)
