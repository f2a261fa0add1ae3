"""Checks of a metric, on draws of a known mixture in the plane and on draws that make metrics stumble."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.energy import AbstractTarget, MixtureTarget, function_target
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured, figures_problem
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.testing.fault import Fault, called
from biglearn_sampler.testing.points import in_batches, log_densities
from biglearn_sampler.testing.reversible import ERRORS
from biglearn_sampler.testing.shared import shared

KEY, OTHER_KEY = 34, 35
COUNT = 600
CHAINS = 4
ROUNDING = 1e-5

MEANS = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def check_figures(metric: AbstractMetric) -> None:
    """Every figure is a `Measured` with a finite value, or with the reason why there is none, whatever the draws."""
    for situation, figures in _figures(metric).items():
        for name, figure in figures.items():
            _check_figure(figure, f"on {situation}, figure '{name}'")


def check_names(metric: AbstractMetric) -> None:
    """The names of the figures do not depend on the draws: what cannot be had is missing with a reason, not absent."""
    names = {situation: set(figures) for situation, figures in _figures(metric).items()}
    usual = next(iter(names.values()))
    for situation, found in names.items():
        if found != usual:
            raise Fault(
                f"on {situation} the figures are {sorted(found)}, and otherwise {sorted(usual)}; expected the same "
                "names always, with Measured.missing(reason) for what cannot be had"
            )


def check_repeatable(metric: AbstractMetric) -> None:
    """The same key gives the same figures."""
    for situation in ("draws of a wider sampler", "chains"):
        first, again = _figures(metric)[situation], _compute(metric, *_situations()[situation], situation)
        for name, figure in first.items():
            if figure != again[name]:
                raise Fault(f"figure '{name}' with the same key is {figure} and then {again[name]}")


def check_order(metric: AbstractMetric) -> None:
    """The order of independent draws changes nothing but rounding.

    Metrics that draw themselves, and so depend on the key, have five of their standard errors.
    """
    situation = "draws of a wider sampler"
    draws, target = _situations()[situation]
    order = np.random.default_rng(KEY).permutation(draws.count)
    plain = _figures(metric)[situation]
    shuffled = _compute(metric, _chosen(draws, order), target, "draws in another order")
    other_key = metric.compute(draws, target, jax.random.key(OTHER_KEY))
    for name, figure in plain.items():
        error = figure.standard_error if figure != other_key[name] else None
        tolerance = ROUNDING * (1.0 + abs(figure.value or 0.0)) + 2.0 * ERRORS * (error or 0.0)
        found = shuffled[name].value
        if (found is None) != (figure.value is None) or abs((found or 0.0) - (figure.value or 0.0)) > tolerance:
            raise Fault(
                f"figure '{name}' is {figure.value}, and {found} for the same independent draws in another order; "
                "expected the same up to rounding"
            )


def _check_figure(figure: Measured, where: str) -> None:
    if figure.value is None:
        if not figure.reason:
            raise Fault(f"{where} has neither a value nor a reason; expected Measured.missing(reason)")
    elif not math.isfinite(figure.value):
        raise Fault(f"{where} is {figure.value}; expected a finite value, or Measured.missing(reason)")
    if figure.standard_error is not None and not 0.0 <= figure.standard_error < math.inf:
        raise Fault(f"{where} has the standard error {figure.standard_error}; expected None or a number of at least 0")


@shared
def _figures(metric: AbstractMetric) -> dict[str, Mapping[str, Measured]]:
    """The figures in every situation, for all checks of a metric."""
    return {situation: _compute(metric, *given, situation) for situation, given in _situations().items()}


def _compute(metric: AbstractMetric, draws: Draws, target: AbstractTarget, situation: str) -> Mapping[str, Measured]:
    found = called(f"`compute` on {situation}", metric.compute, draws, target, jax.random.key(KEY))
    problem = figures_problem(found)
    if problem is not None:
        raise Fault(f"on {situation}: {problem}")
    return found


@cache
def _situations() -> dict[str, tuple[Draws, AbstractTarget]]:
    """Draws with the target that they are measured against, exact ones first."""
    mixture = GaussianMixture.of(MEANS, 0.5, WEIGHTS)
    wider = GaussianMixture.of(MEANS, 0.7, WEIGHTS)
    target = MixtureTarget.of(mixture, scale=6.0)
    bare = function_target(lambda point: -0.5 * jnp.sum(point**2), dim=2, scale=3.0)
    exact, wide, of_bare = _drawn(mixture, target), _drawn(wider, target), _drawn(wider, bare)
    nowhere = replace(wide, log_target=np.full(COUNT, -np.inf))
    partly = replace(wide, log_target=np.where(np.arange(COUNT) < 10, -np.inf, wide.log_target))
    situations = {
        "exact draws": (exact, target),
        "draws of a wider sampler": (wide, target),
        "draws without a density of their own": (_without_density(exact), target),
        "draws with weights of their own": (replace(_without_density(wide), weights=_weights(wide)), target),
        "chains": (replace(_without_density(exact), chains=CHAINS), target),
        "chains that never move": (_stuck(exact), target),
        "a target of which nothing is known": (of_bare, bare),
        "draws some of which have density zero": (partly, target),
        "draws all of which have density zero": (nowhere, target),
        "two draws": (_chosen(wide, np.arange(2)), target),
    }
    return {name: (draws.read_only(), target) for name, (draws, target) in situations.items()}


def _drawn(sampler: GaussianMixture, target: AbstractTarget) -> Draws:
    points = np.asarray(sampler.sample(jax.random.key(KEY), COUNT), float)
    log_sampler_at = partial(in_batches, jax.jit(sampler.log_density))
    return Draws(points, log_densities(target, points), log_sampler_at(points), log_sampler_at=log_sampler_at)


def _without_density(draws: Draws) -> Draws:
    return replace(draws, log_sampler=None, log_sampler_at=None)


def _weights(draws: Draws) -> np.ndarray:
    """Importance weights, as a method may give them to its draws."""
    assert draws.log_ratios is not None
    relative = np.exp(draws.log_ratios - draws.log_ratios.max())
    return relative / relative.sum()


def _chosen(draws: Draws, rows: np.ndarray) -> Draws:
    log_sampler = None if draws.log_sampler is None else draws.log_sampler[rows]
    return replace(draws, points=draws.points[rows], log_target=draws.log_target[rows], log_sampler=log_sampler)


def _stuck(draws: Draws) -> Draws:
    """Chains of which each stays at its first point."""
    firsts = np.repeat(np.arange(CHAINS), COUNT // CHAINS)
    return replace(_without_density(_chosen(draws, firsts)), chains=CHAINS)
