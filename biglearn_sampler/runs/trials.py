"""One trial: our sampler or a baseline, on one seed, from the same start and on the same budget as all others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax

from biglearn_sampler.catalogue import Built, Catalogue
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.comparison import OURS, Trial
from biglearn_sampler.comparison.coverage_curve import curve_of_baseline, curve_of_training
from biglearn_sampler.comparison.trial import KEPT, thinned
from biglearn_sampler.compilation import collected_less, make_room
from biglearn_sampler.errors import BiglearnError, MissingPackage, raised_on_host
from biglearn_sampler.evaluation import AbstractBaseline
from biglearn_sampler.evaluation.drawing import draws_of
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.evaluate import baseline_figures
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.runs.read_settings import ReadSettings
from biglearn_sampler.runs.train import train_as_planned
from biglearn_sampler.runs.watcher import Nobody

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Scene:
    """What trials on one target share.

    Arguments:
        plan, read: of our sampler; its start and its metrics serve all methods.
        baselines: by name; of one that cannot be built, the reason.
        budget: evaluations for each trial; `None` leaves every method to its own defaults.
        catalogue: of plugins.
    """

    plan: Plan
    read: ReadSettings
    baselines: Mapping[str, Built[AbstractBaseline] | str]
    budget: int | None
    catalogue: Catalogue

    @property
    def methods(self) -> list[str]:
        """Our sampler, and the baselines."""
        return [OURS, *self.baselines]


def poor_baselines(scene: Scene) -> list[str]:
    """The baselines for which the budget is too small, each with what it needs at least."""
    if scene.budget is None:
        return []
    target = scene.plan.target.value
    least = {
        name: built.value.least_budget(target) for name, built in scene.baselines.items() if isinstance(built, Built)
    }
    return [f"{name} (at least {needed:,})" for name, needed in least.items() if needed > scene.budget]


@collected_less()
@full_precision()
def run_trial(scene: Scene, method: str, seed: int) -> Trial:
    """A trial; whatever goes wrong in it is its reason."""
    make_room()
    try:
        return _of_ours(scene, seed) if method == OURS else _of_baseline(scene, method, seed)
    except Exception as error:
        reason = reason_of_failure(error)
        logger.warning("%s failed on seed %d: %s", method, seed, reason)
        return Trial(method, seed, {}, failed=reason)


def reason_of_failure(error: BaseException) -> str:
    """What a row says about a failure: our own errors are sentences already, others come with their type."""
    expected = isinstance(error, BiglearnError) or raised_on_host(error)
    return str(raised_on_host(error) or error) if expected else told(error)


def _of_ours(scene: Scene, seed: int) -> Trial:
    plan = replace(scene.plan, seed=seed)
    run = train_as_planned(plan, scene.read, scene.catalogue, Nobody())
    kept = draws_of(run.sampler, run.target, KEPT, jax.random.fold_in(plan.keys.evaluation, KEPT))
    figures = {name: value for name, value in run.metrics.items() if name != "baselines"}
    return Trial(OURS, seed, figures, curve_of_training(run.history, figures), thinned(kept))


def _of_baseline(scene: Scene, method: str, seed: int) -> Trial:
    baseline = scene.baselines[method]
    if isinstance(baseline, str):
        raise MissingPackage(baseline)
    plan, target = replace(scene.plan, seed=seed), scene.plan.target.value
    key_run, key_metrics = jax.random.split(plan.key_of_baseline(baseline))
    result = baseline.value.run(target, plan.start, key_run, scene.budget)
    figures = baseline_figures(result, target, plan.metrics, key_metrics)
    return Trial(method, seed, figures, curve_of_baseline(result, target.facts), thinned(result.draws))
