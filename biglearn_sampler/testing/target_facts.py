"""Checks of what is known about a target: log Z, exact draws and modes, against the energy alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.energy import AbstractTarget, ReferenceMoments
from biglearn_sampler.evaluation.drawing import quantities_of
from biglearn_sampler.evaluation.importance import numbers_of
from biglearn_sampler.testing.bridge import bridge_of
from biglearn_sampler.testing.fault import Fault, NotChecked, called
from biglearn_sampler.testing.peaks import peaks_of
from biglearn_sampler.testing.points import double_precision, in_batches, log_densities, ordinary_points, point_text
from biglearn_sampler.testing.quadrature import NODES, quadrature_of
from biglearn_sampler.testing.repeat import expect_same
from biglearn_sampler.testing.reversible import ERRORS, Waves, metropolis_deviation, worst_deviation
from biglearn_sampler.testing.shared import shared

KEY, OTHER_KEY = 23, 24
DRAWS = 16_384

ROUNDING = 1e-3
"""Of a known log Z, and of known masses."""

TABLE_ERROR = 2e-4
"""Draws from a table of cells differ from the law by less than a cell; means of waves feel it so much."""

MOST_BRIDGED = 40
"""Coordinates: a bridge takes fits and evaluations that grow too long beyond."""

FEWEST_BRIDGING = 200
"""Draws that the estimate of log Z rests on; with fewer its error is not known either."""

LEAST_BELOW = 1e-3
"""Share of the mass of a mode that is less probable than the point that stands for it: of its peak nearly all is."""

OF_CONSTANT = "It is the constant of the density as written, terms without x included"
REASONS = "Look for a missing Jacobian, such as the factor r of polar coordinates, or a variance for a deviation"


def check_log_z(target: AbstractTarget) -> None:
    """The declared `log_z` is the logarithm of the integral of the density.

    In one and two dimensions by quadrature; in more, by a bridge between exact draws and a Gaussian near some of them.
    """
    known = target.facts.log_z
    if known is None:
        raise NotChecked("log Z is not declared")
    if not math.isfinite(known):
        raise Fault(f"facts.log_z must be a finite number, got {known}")
    if target.dim not in NODES:
        _bridge_log_z(target, known)
        return
    quadrature = quadrature_of(target)
    if abs(known - quadrature.log_z) > ROUNDING + 5.0 * quadrature.error:
        raise Fault(
            f"facts.log_z is {known:.6g}, and quadrature of exp(log_density) over the whole space gives "
            f"{quadrature.log_z:.6g}. {OF_CONSTANT}"
        )


def check_exact_draws(target: AbstractTarget) -> None:
    """`facts.sample` gives as many points as asked for, all of positive density, the same ones for the same key."""
    sample = target.facts.sample
    if sample is None:
        raise NotChecked("exact draws are not declared")
    shape = exact_draws(target).shape
    if shape != (DRAWS, target.dim):
        raise Fault(f"facts.sample(key, {DRAWS}) must have shape {(DRAWS, target.dim)}, got {shape}")
    again, other = (np.asarray(sample(jax.random.key(key), DRAWS), float) for key in (KEY, OTHER_KEY))
    expect_same("facts.sample with the same key", exact_draws(target), again)
    if np.array_equal(again, other):
        raise Fault("facts.sample gives the same points for different keys; expected draws that depend on the key")
    draws = exact_draws(target)
    values = log_densities(target, draws)
    lost = ~np.isfinite(draws).all(axis=1) | ~np.isfinite(values)
    if lost.any():
        where = int(np.argmax(lost))
        raise Fault(
            f"facts.sample draws {point_text(draws[where])}, where the log density is {values[where]:.4g}; expected "
            "points of positive density only"
        )


def check_draws_follow_density(target: AbstractTarget) -> None:
    """Exact draws have the density `exp(log_density) / Z`.

    In one and two dimensions means of bounded functions are compared with quadrature. In more, one Metropolis step
    must leave the means as they are: a small one, one from mode to mode, and one by the way between two peaks.
    """
    draws = exact_draws(target)
    try:
        quadrature = quadrature_of(target)
    except NotChecked:
        with double_precision(target):
            deviation = metropolis_deviation(partial(log_densities, target), draws, peaks_of(target))
        if not deviation <= ERRORS:
            raise Fault(
                f"facts.sample does not draw from exp(log_density): a Metropolis step, which leaves exact draws as "
                f"they are, moves their means by {deviation:.1f} standard errors. {REASONS}"
            ) from None
        return
    waves = Waves.around(draws)
    expected = quadrature.masses @ waves.at(quadrature.points)
    deviation = worst_deviation(waves.at(draws), expected, TABLE_ERROR + quadrature.error / ERRORS)
    if not deviation <= ERRORS:
        mean = quadrature.masses @ quadrature.points
        spread = np.sqrt(quadrature.masses @ (quadrature.points - mean) ** 2)
        raise Fault(
            f"facts.sample does not draw from exp(log_density): means of bounded functions differ from quadrature by "
            f"{deviation:.1f} standard errors. The draws have mean {point_text(draws.mean(axis=0))} and standard "
            f"deviation {point_text(draws.std(axis=0))}, the density {point_text(mean)} and {point_text(spread)}. "
            f"{REASONS}"
        )


def check_modes(target: AbstractTarget) -> None:
    """Modes are probable points of their own mass; masses sum to one, and so do responsibilities at every point."""
    facts = target.facts
    if facts.modes is None or facts.mode_weights is None or facts.responsibilities is None:
        raise NotChecked("modes are not declared")
    modes, masses = np.asarray(facts.modes, float), np.asarray(facts.mode_weights, float)
    if modes.shape != (len(masses), target.dim):
        raise Fault(f"facts.modes must have shape {(len(masses), target.dim)}, got {modes.shape}")
    if not (masses > 0).all() or abs(masses.sum() - 1.0) > ROUNDING:
        raise Fault(f"facts.mode_weights must be positive and sum to 1, got {point_text(masses)}")
    if not np.isfinite(log_densities(target, modes)).all():
        raise Fault("facts.modes has a point where the density is zero or not finite")
    shares = _responsibilities(target, ordinary_points(target))
    if shares.shape[1:] != masses.shape:
        raise Fault(f"facts.responsibilities must give {len(masses)} numbers, got shape {shares.shape[1:]}")
    if not (shares >= 0).all() or np.abs(shares.sum(axis=1) - 1.0).max() > ROUNDING:
        raise Fault(
            "facts.responsibilities must be probabilities that sum to 1 at every point where the density is not"
        )
    _expect_probable(target, modes)


def check_mode_masses(target: AbstractTarget) -> None:
    """`mode_weights` are the means of `responsibilities` under the target: by quadrature, and over exact draws."""
    if target.facts.mode_weights is None:
        raise NotChecked("modes are not declared")
    if target.facts.sample is None and target.dim > 2:
        raise NotChecked("the masses of modes need exact draws, or at most 2 coordinates")
    if target.dim <= 2:
        quadrature = quadrature_of(target)
        shares = _responsibilities(target, quadrature.points)
        _expect_masses(target, quadrature.masses @ shares, 2 * ROUNDING + 5.0 * quadrature.error, "by quadrature")
    if target.facts.sample is not None:
        shares = _responsibilities(target, exact_draws(target))
        declared = np.asarray(target.facts.mode_weights, float)
        # A mode that no draw has found shows no spread; its own mass tells the error then.
        error = np.maximum(shares.std(axis=0), np.sqrt(declared * (1.0 - declared))) / math.sqrt(len(shares))
        _expect_masses(target, shares.mean(axis=0), ERRORS * error + TABLE_ERROR, "over exact draws")


def check_reference(target: AbstractTarget) -> None:
    """`facts.reference` has finite figures with positive errors, of numbers that are among the quantities.

    Where there are exact draws, or a quadrature, means and deviations are those of the density within 5 errors.
    """
    reference = target.facts.reference
    if reference is None:
        raise NotChecked("no reference draws are declared")
    forms = jax.eval_shape(target.quantities, ordinary_points(target)[0])
    known = {name for name, _ in numbers_of({name: np.zeros((1, *form.shape)) for name, form in forms.items()})}
    for name, figures in reference.items():
        if name not in known:
            raise Fault(f"facts.reference names '{name}'{did_you_mean(name, known)} Expected numbers of `quantities`")
        values = (figures.mean, figures.sd, figures.mean_error, figures.sd_error)
        if not np.isfinite(values).all() or min(values[1:]) <= 0:
            raise Fault(
                f"facts.reference of '{name}' must be finite, with positive deviation and errors, got {figures}"
            )
    _expect_moments(target, reference)


@shared
def exact_draws(target: AbstractTarget) -> Float[np.ndarray, "count dim"]:
    """Many draws of `facts.sample`.

    Raises:
        NotChecked: there are no exact draws.
    """
    if target.facts.sample is None:
        raise NotChecked("exact draws are not declared")
    return np.asarray(called("facts.sample", target.facts.sample, jax.random.key(KEY), DRAWS), float)


class _Law(NamedTuple):
    """A density as points with shares of its mass.

    Arguments:
        points: exact draws, or the nodes of a quadrature.
        shares: what each counts for.
        error: of a mean over them, in standard deviations of what is averaged.
    """

    points: Float[np.ndarray, "count dim"]
    shares: Float[np.ndarray, " count"]
    error: float


@shared
def _law(target: AbstractTarget) -> _Law | None:
    """That of a target; `None` where there are neither exact draws nor a quadrature."""
    if target.facts.sample is not None:
        draws = exact_draws(target)
        return _Law(draws, np.full(len(draws), 1.0 / len(draws)), 1.0 / math.sqrt(len(draws)))
    try:
        quadrature = quadrature_of(target)
    except NotChecked:
        return None
    return _Law(quadrature.points, quadrature.masses, ROUNDING + quadrature.error)


def _expect_probable(target: AbstractTarget, modes: np.ndarray) -> None:
    """A mode is no point that is less probable than all its mass."""
    law = _law(target)
    if law is None:
        return
    values, at_modes = log_densities(target, law.points), log_densities(target, modes)
    masses = law.shares[:, None] * _responsibilities(target, law.points)
    for number, value in enumerate(at_modes):
        mass = masses[:, number].sum()
        below = masses[values <= value, number].sum()
        if mass > 0 and below < LEAST_BELOW * mass:
            raise Fault(
                f"facts.modes has {point_text(modes[number])} as mode {number}, which is less probable than all the "
                f"mass that facts.responsibilities counts for it: log density {value:.6g}, where the highest is "
                f"{values[masses[:, number] > 0].max():.6g}"
            )


def _expect_moments(target: AbstractTarget, reference: Mapping[str, ReferenceMoments]) -> None:
    """Means and deviations of reference draws are those of the density."""
    law = _law(target)
    if law is None:
        return
    for name, values in numbers_of(quantities_of(target, law.points)):
        if name not in reference:
            continue
        figures, mean = reference[name], float(law.shares @ values)
        squares = (values - mean) ** 2
        sd = math.sqrt(law.shares @ squares)
        error = math.sqrt(law.shares @ (squares - sd**2) ** 2) / max(2.0 * sd, np.finfo(float).tiny)
        pairs = {
            "mean": (figures.mean, mean, math.hypot(figures.mean_error, law.error * sd)),
            "deviation": (figures.sd, sd, math.hypot(figures.sd_error, law.error * error)),
        }
        for what, (declared, found, uncertain) in pairs.items():
            if not abs(declared - found) <= ERRORS * uncertain:
                raise Fault(
                    f"facts.reference of '{name}' has the {what} {declared:.6g}, and the density has {found:.6g}, "
                    f"{abs(declared - found) / uncertain:.1f} standard errors of both away"
                )


@shared
def _compiled_responsibilities(target: AbstractTarget) -> Callable[[Any], Any]:
    assert target.facts.responsibilities is not None
    return jax.jit(jax.vmap(target.facts.responsibilities))


def _bridge_log_z(target: AbstractTarget, known: float) -> None:
    """The constant against exact draws, with the standard error of the bridge.

    Raises:
        Fault: they do not fit.
        NotChecked: there are no exact draws, or too few of them lie where a Gaussian does.
    """
    if target.dim > MOST_BRIDGED:
        raise NotChecked(f"log Z is checked in at most {MOST_BRIDGED} coordinates, and the target has {target.dim}")
    draws = exact_draws(target)
    assert target.facts.sample is not None
    fitted = np.asarray(target.facts.sample(jax.random.key(OTHER_KEY), 2 * DRAWS), float)
    with double_precision(target):
        bridge = bridge_of(partial(log_densities, target), fitted, draws)
    found, error = bridge.log_z()
    if not bridge.contributing(found) > FEWEST_BRIDGING:
        raise NotChecked("no Gaussian overlaps enough with the exact draws for an estimate of log Z")
    difference, standard_error = bridge.difference(known)
    if not abs(difference) < ERRORS * standard_error + ROUNDING * bridge.slope(found):
        raise Fault(
            f"facts.log_z is {known:.6g}, and a bridge between exact draws and a Gaussian gives {found:.6g} +- "
            f"{error:.2g}. {OF_CONSTANT}, and facts.sample must draw from the whole of the density"
        )


def _responsibilities(target: AbstractTarget, points: np.ndarray) -> np.ndarray:
    """At many points; far from all modes, where they are no numbers, the mass is zero anyway."""
    of_batch = _compiled_responsibilities(target)
    return np.nan_to_num(called("facts.responsibilities", in_batches, of_batch, points))


def _expect_masses(target: AbstractTarget, found: np.ndarray, tolerance: np.ndarray | float, how: str) -> None:
    declared = np.asarray(target.facts.mode_weights, float)
    off = np.abs(found - declared) > tolerance
    if off.any():
        mode = int(np.argmax(off))
        raise Fault(
            f"facts.mode_weights says {declared[mode]:.4g} for mode {mode}, and the mean of facts.responsibilities "
            f"{how} is {found[mode]:.4g}"
        )
