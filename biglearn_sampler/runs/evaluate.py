"""The figures of a trained sampler and of baselines, with their errors."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
from jaxtyping import Array, Key
from pydantic import ValidationError

from biglearn_sampler.catalogue import Built, Catalogue
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured, figures_problem, result_problem
from biglearn_sampler.evaluation.drawing import defended_draws_of, quantities_of
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.missing_mass import in_view_of_what_is_missing
from biglearn_sampler.runs.run import Run
from biglearn_sampler.runs.settings import Settings

logger = logging.getLogger(__name__)

COSTS = (
    *Evaluations().to_json(),
    "probe_evaluations",
    "task_steps",
    "evaluations_by_source",
    "evaluations_by_task",
    "skipped_steps",
    "evaluations_by_purpose",
    "training_ended",
    "stopped_by",
    "convergence",
    "components_found",
    "components",
    "verdict",
    "earlier_verdicts",
    "seconds_verdict",
    "reservoir",
    "zero_density_points",
    "rejected_updates",
    "seconds_compile",
    "seconds_run",
)
"""What a run cost; a new evaluation of its sampler changes nothing about it."""

PROMISED = ("elbo", "log_z", "ess", "khat", "modes_covered", "modes_total", "mode_mass_tv", "kl_reverse")
"""Figures that every `metrics.json` has, if only as null with a reason."""

COUNTS = ("modes_covered", "modes_covered_low", "modes_covered_high", "modes_total", "zero_density_draws")
"""Figures that are whole numbers."""


def figures_of(
    draws: Draws, target: AbstractTarget, metrics: Sequence[Built[AbstractMetric]], key: Key[Array, ""]
) -> dict[str, Any]:
    """All figures of draws as they stand in `metrics.json`.

    Gives the flat figures (null where one cannot be had), their `standard_errors`, the `reasons` of missing or
    doubtful ones, and the `moments` of the target's named quantities.
    """
    measured: dict[str, Measured] = {}
    draws = draws.read_only()
    for number, metric in enumerate(metrics):
        found = _measured(metric, draws, target, jax.random.fold_in(key, number))
        twice = [name for name in found if name in measured and measured[name] != found[name]]
        if twice:
            logger.warning("of metric %s, %s left out: an earlier one gave it", metric.record.name, ", ".join(twice))
        measured = {**found, **measured}
    weighted = draws.weighted
    for name in PROMISED:
        measured.setdefault(name, Measured.missing("no metric of this run gave it"))
    return {
        **{name: _number(name, figure.value) for name, figure in measured.items()},
        "standard_errors": _present({name: figure.standard_error for name, figure in measured.items()}),
        "reasons": _present({name: figure.reason for name, figure in measured.items()}),
        "moments": moments(quantities_of(target, weighted.points), weighted),
    }


def baseline_figures(
    result: Any,
    target: AbstractTarget,
    metrics: Sequence[Built[AbstractMetric]],
    key: Key[Array, ""],
) -> dict[str, Any]:
    """The figures of a baseline, in the same form as those of a sampler, with its costs.

    A method's own `log_z` stands in place of one from importance weights, with `log_z_error` where the truth is known.

    Raises:
        TypeError: the baseline gave something that cannot be measured.
    """
    problem = result_problem(result, target.dim)
    if problem is not None:
        raise TypeError(problem)
    return {
        **_with_own_log_z(figures_of(result.draws, target, metrics, key), result.log_z, target.facts.log_z),
        **result.evaluations.to_json(),
        "warmup_evaluations": result.warmup.total,
        "seconds_compile": round(float(result.seconds_compile), 3),
        "seconds_run": round(float(result.seconds_run), 3),
        "notes": {name: _plain(value) if math.isfinite(value) else None for name, value in result.notes.items()},
    }


def _with_own_log_z(figures: dict[str, Any], log_z: Measured | None, truth: float | None) -> dict[str, Any]:
    if log_z is None or log_z.value is None:
        return figures
    own = {"log_z": log_z}
    if truth is not None:
        own["log_z_error"] = replace(log_z, value=log_z.value - truth)
    own = {name: _finite(figure) for name, figure in own.items()}
    parts = {"standard_errors": "standard_error", "reasons": "reason"}
    return {
        **figures,
        **{name: figure.value for name, figure in own.items()},
        **{
            part: _present({**figures[part], **{name: getattr(figure, field) for name, figure in own.items()}})
            for part, field in parts.items()
        },
    }


@full_precision()
def evaluate(run: Run, catalogue: Catalogue, *, draws: int | None, seed: int) -> dict[str, Any]:
    """The figures of a run on fresh draws, with the metrics and the costs that its record names.

    Arguments:
        run: trained now or loaded.
        catalogue: builds the metrics again.
        draws: how many; `None` for as many as the run took.
        seed: of the draws, apart from the seed of the run.

    Raises:
        RunFolderError: the settings in the record make no sense.
        CatalogueError: a metric in the record cannot be built.
    """
    try:
        settings = Settings.model_validate(run.record["settings"])
    except ValidationError as error:
        raise RunFolderError(f"the settings in the record of the run cannot be used: {error}") from error
    metrics = [catalogue.build("metric", spec) for spec in settings.metrics]
    key_draws, key_metrics = jax.random.split(jax.random.key(seed))
    fresh = defended_draws_of(run.sampler, run.target, draws or settings.evaluation.draws, key_draws)
    costs = {name: value for name, value in run.metrics.items() if name in COSTS}
    figures = figures_of(fresh, run.target, metrics, key_metrics)
    missing = (costs.get("verdict") or {}).get("missing_mass")
    return {**in_view_of_what_is_missing(figures, missing), **costs, "evaluation_draws": fresh.evaluated}


def _measured(
    metric: Built[AbstractMetric], draws: Draws, target: AbstractTarget, key: Key[Array, ""]
) -> dict[str, Measured]:
    """The figures of one metric; if it fails, the run keeps the others, and the reason of the failure."""
    try:
        figures = metric.value.compute(draws, target, key)
        problem = figures_problem(figures)
        if problem is not None:
            raise TypeError(problem)
    except Exception as error:
        logger.warning("metric %s failed: %s", metric.record.name, told(error))
        return {metric.record.name.split(":")[-1]: Measured.missing(f"the metric failed: {told(error)}")}
    return {name: _finite(figure) for name, figure in figures.items()}


def _finite(figure: Measured) -> Measured:
    """JSON has neither NaN nor infinity, and neither is a figure; numbers of other libraries become Python's own."""
    figure = replace(figure, value=_plain(figure.value), standard_error=_plain(figure.standard_error))
    if figure.value is not None and not math.isfinite(figure.value):
        return Measured.missing(figure.reason or f"not a finite number: {figure.value}")
    if figure.standard_error is not None and not math.isfinite(figure.standard_error):
        return replace(figure, standard_error=None)
    return figure


def _plain(value: Any) -> float | None:
    return value if value is None or isinstance(value, (int, float)) else float(value)


def _number(name: str, value: float | None) -> float | int | None:
    return int(value) if name in COUNTS and value is not None else value


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
