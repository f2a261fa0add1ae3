"""The verdict of a run, in the coordinates of its training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.engine import Rules, Stepper, kinds_of_proposals
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.verdict import CANNOT_TELL, COVERED, Verdict, WeighedDraws, judge
from biglearn_sampler.verdict.decide import FITTED
from biglearn_sampler.verdict.price import least_evaluations

logger = logging.getLogger(__name__)

ENDLESS = "the density does not fall off"
"""How a verdict begins to say so."""


def check_limit(plan: Plan) -> None:
    """See that a verdict can be had for as many evaluations as are allowed, before anything is trained.

    Raises:
        SettingsError: it cannot, with the least number that it takes.
    """
    target, most = plan.target.value, plan.settings.verdict.evaluations
    kinds = len(kinds_of_proposals(target.dim, plan.exploration_tasks))
    least = least_evaluations(Rules(), target.dim, kinds, target.price_of_gradient.total)
    if most and most < least:
        raise SettingsError(
            f"verdict.evaluations: {most:,} is too small; a verdict on this target asks at least {least:,}. Give 0 for "
            "none, or leave it out"
        )


def verdict_of(plan: Plan, sampler: Mixture, stepper: Stepper | None, draws: Draws, key: Key[Array, ""]) -> Verdict:
    """Whether a sampler covers the target of a plan.

    Arguments:
        plan: of the run; its settings say in which coordinates the target is looked at.
        sampler: in the target's own units.
        stepper: of the training, if it had one.
        draws: of the sampler, in the target's own units, on which its figures were measured.
        key: of all that is random in it.
    """
    target, most = plan.target.value, plan.settings.verdict.evaluations
    if most == 0:
        return Verdict.bare(CANNOT_TELL, "Cannot tell: verdict.evaluations is 0, and nobody looked.")
    centre, scale = np.zeros(target.dim), np.ones(target.dim)
    if plan.settings.coordinates == "whitened":
        centre, scale = np.asarray(target.centre, float), np.asarray(target.scale, float)
    inside = sampler.affine(jnp.asarray(-centre / scale), jnp.asarray(1.0 / scale))
    try:
        rules = Rules() if stepper is None else stepper.rules
        target, tasks = plan.target_of_training(), plan.exploration_tasks
        weighed = _weighed(draws, centre, scale)
        return with_a_hint(judge(target, inside, tasks, rules, key, centre, scale, stepper, weighed, most))
    except Exception as error:
        # The sampler and its figures are there and are worth having without a verdict.
        logger.warning("the verdict failed: %s", told(error))
        return Verdict.bare(CANNOT_TELL, f"Cannot tell: the search for missed mass failed: {told(error)}.")


def with_a_hint(verdict: Verdict) -> Verdict:
    """The same verdict; where a density does not fall off, with the mistake that is made most often."""
    if ENDLESS not in verdict.sentence:
        return verdict
    hint = "If your function is an energy, return its negative: biglearn takes log densities."
    return replace(verdict, sentence=f"{verdict.sentence} {hint}")


def in_view_of_its_end(verdict: Verdict, ended: Mapping[str, Any], most_components: int | None) -> Verdict:
    """The same verdict, but on the sampler of a training that a budget or a number of components kept from its end.

    Where it could not fit all factors of a product to the end, the target has exponentially many modes, each with next
    to no mass, and none of them is missed by itself. Where the sampler does not fit, its tails may be short, and no
    search for modes sees that.

    Arguments:
        verdict: on the sampler.
        ended: how the training ended, and the grounds for it.
        most_components: that the user allowed, if they said so.
    """
    stopped = ended.get("training_ended") == "stopped"
    if verdict.verdict != COVERED or not (stopped or most_components is not None):
        return verdict
    blocks = (ended.get("convergence") or {}).get("blocks")
    ess = verdict.evidence.get("ess", 1.0)
    if stopped and blocks is not None:
        reason = (
            f"the target is a product of {blocks} laws, and the budget was too small to fit all of them to the end; "
            "the others may lack modes unseen"
        )
    elif ess < FITTED and not stopped:
        return replace(
            verdict,
            verdict=CANNOT_TELL,
            sentence="Cannot tell: a fresh search found nothing that the sampler misses, but with at most "
            f"{most_components:,} components it does not fit (ESS {ess:.3f}), and its tails may be short; allow more, "
            f"or leave their number open.{verdict.reservations}",
        )
    elif ess < FITTED:
        reason = (
            "a fresh search found nothing that the sampler misses, but the budget stopped the training before the "
            f"sampler fitted (ESS {ess:.3f}), and its tails may be short"
        )
    else:
        return verdict
    return replace(
        verdict, verdict=CANNOT_TELL, sentence=f"Cannot tell: {reason}; give a larger budget.{verdict.reservations}"
    )


def _weighed(draws: Draws, centre: Float[np.ndarray, " dim"], scale: Float[np.ndarray, " dim"]) -> WeighedDraws | None:
    """Draws in the coordinates of training."""
    if draws.log_sampler is None:
        return None
    volume = float(np.log(scale).sum())
    defended = None if draws.defended is None else draws.weighted.log_ratios
    return WeighedDraws(
        (draws.points - centre) / scale, draws.log_target + volume, draws.log_sampler + volume, defended
    )
