"""BigLearn-EM: a Gaussian mixture from data, by EM on tasks whose local optima differ."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.data.agenda import check_tasks
from biglearn_sampler.data.course import Course, Outcome
from biglearn_sampler.data.files import mapped
from biglearn_sampler.data.masks import unmasked
from biglearn_sampler.data.options import DataOptions, is_count, options_of
from biglearn_sampler.data.outliers import spread_by_few
from biglearn_sampler.data.parameters import Parameters, free_parameters
from biglearn_sampler.data.points import Points, points_of, variances
from biglearn_sampler.data.result import DataFit, FitInterrupted
from biglearn_sampler.errors import DataError
from biglearn_sampler.precision import full_precision
from biglearn_sampler.seeds import checked_seed
from biglearn_sampler.tasks import AbstractScheduler

logger = logging.getLogger(__name__)

Watcher = Callable[[Mapping[str, Any], Parameters], None]
"""Is told every row of the history, with the joint optimum that the round led to, in the units of the data."""


@full_precision()
def fit_data(
    points: ArrayLike | str | Path,
    components: int,
    *,
    seed: int = 0,
    sample_weight: ArrayLike | None = None,
    catalogue: Catalogue | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> DataFit:
    """A Gaussian mixture that was learnt from data by big cooperative learning (BigLearn-EM).

    Forward KL: the mixture maximises the likelihood of joint, marginal and randomly transformed marginal laws of the
    data, some EM steps on each in turn (`bi-level`). Their local optima differ, and what traps plain EM does not trap
    them. The fit is over when rounds of tasks lead back to the same joint optimum again and again; then joint steps
    without smoothing follow.

    Arguments:
        points: shape `(count, dim)`: an array, in which masked entries are missing values; a `numpy.memmap`, which is
            never read as a whole, but where values are missing and `minibatch` is not given; or a file of numpy's
            format `.npy`, which is mapped.
        components: number of components, at least 1 and at most the number of points.
        seed: the same seed gives the same mixture on one machine.
        sample_weight: how many times each point counts, not negative: a point of weight 3 is as three such points, and
            one of weight 0 is not there, whatever it holds. Weights with a mean of 1 leave the points as many as they
            are.
        catalogue: where the scheduler is looked up; a fresh one by default.
        watcher: is told every round.
        options: see `DataOptions`.

    Raises:
        DataError: data or options that make no sense, with what is wrong.
        CatalogueError: there is no such scheduler.
        FitInterrupted: a `KeyboardInterrupt` came after the first round; it has the best fit so far, as `fit`.

    Reference: Cong and Li (2024), *Big Learning Expectation Maximization*, AAAI (Algorithm 1).

    Example:
        >>> import numpy as np
        >>> import biglearn_sampler as bl
        >>> rows = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[-4.0], [0.0], [4.0]], 200, 0)
        >>> fit = bl.fit_data(rows, components=3)
        >>> np.sort(fit.parameters.means[:, 0]).round().astype(int).tolist()
        [-4, 0, 4]
    """
    began, chosen = time.perf_counter(), options_of(options)
    if not is_count(components):
        raise DataError(f"components must be a whole number of at least 1, got {components!r}")
    seed = checked_seed(seed, DataError)
    rows = _mapped(points) if isinstance(points, str | Path) else unmasked(np.asanyarray(points))
    data = points_of(
        rows,
        sample_weight,
        standardized=chosen.coordinates == "standardized",
        missing=chosen.missing,
        least=components,
    )
    warned = spread_by_few(data, np.sqrt(variances(data, chosen.coordinates)))
    if warned is not None:
        logger.warning(warned)
    scheduler = _scheduler(chosen, data.dim, catalogue)
    outcomes = []
    for number in range(chosen.starts):
        own = seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        course = Course(data, scheduler, chosen, components, own)
        try:
            outcomes.append(course.run(_start(components, data, chosen, own), watcher))
        except KeyboardInterrupt as ending:
            reached = [*outcomes, *filter(None, [course.so_far()])]
            if not reached:
                raise
            fit = _result(reached, data, warned, time.perf_counter() - began)
            stopped = f"interrupted in start {number + 1} of {chosen.starts}; {fit.metrics['stopped']}"
            raise FitInterrupted(replace(fit, metrics={**fit.metrics, "stopped": stopped}), ending) from ending
    return _result(outcomes, data, warned, time.perf_counter() - began)


def _scheduler(options: DataOptions, dim: int, catalogue: Catalogue | None) -> AbstractScheduler:
    spec = {"name": "biglearn_em", "dim": dim} if options.scheduler is None else options.scheduler
    scheduler = (catalogue or Catalogue()).build("scheduler", spec).value
    check_tasks(scheduler, dim)
    return scheduler


def _start(components: int, points: Points, options: DataOptions, seed: int) -> Parameters:
    """Equal components, with means from `N(0, s^2 I)` about the centre of the data and covariances `s^2 I`.

    `s` is `start` times the root of the mean variance of the columns, so that units do not matter.
    """
    length = options.start * math.sqrt(variances(points, options.coordinates).mean())
    draws: Float[np.ndarray, "components dim"] = np.random.default_rng(seed).standard_normal((components, points.dim))
    covariances = np.broadcast_to(length**2 * np.eye(points.dim), (components, points.dim, points.dim))
    return Parameters(np.full(components, -np.log(components)), length * draws, covariances.copy())


def _result(outcomes: Sequence[Outcome], points: Points, warned: str | None, seconds: float) -> DataFit:
    """The best of several courses, with what all of them cost."""
    outcome = max(outcomes, key=lambda each: each.reached)
    parameters = outcome.parameters.affine(points.centre, points.scale)
    freedom = free_parameters(parameters.components, parameters.dim)
    total = outcome.log_likelihood * points.mass
    metrics = {
        "log_likelihood": outcome.log_likelihood,
        "bic": -2.0 * total + freedom * float(np.log(points.mass)),
        "aic": -2.0 * total + 2.0 * freedom,
        **outcome.counts,
        "sweeps": sum(each.counts["sweeps"] for each in outcomes),
        "starts": [each.reached for each in outcomes],
        "empty": outcome.empty,
        "agreed": outcome.agreed,
        "stopped": outcome.stopped,
        "warned": warned,
        "seconds": seconds,
    }
    return DataFit(parameters, outcome.history, metrics, points.missing, points.centre, points.scale)


def _mapped(path: str | Path) -> np.ndarray:
    """The rows of a `.npy` file, mapped and not read.

    Raises:
        DataError: there is no such file, or it has another format.
    """
    if Path(path).suffix.lower() == ".csv":
        raise DataError(
            f"{path}: expected an array or a file .npy; a table is read by `biglearn cluster {path}`, or by "
            f"fit_data(numpy.loadtxt({str(path)!r}, delimiter=','), ...)"
        )
    try:
        return mapped(Path(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a file of numpy's format .npy: {error}") from error
