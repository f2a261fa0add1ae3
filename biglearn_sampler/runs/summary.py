"""What the figures of a run mean, in sentences, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biglearn_sampler.comparison.sentences import AGREEING_RHAT

GOOD_ESS = 0.5
RELIABLE_KHAT = 0.7
"""Above it, importance-weighted figures should not be trusted (Vehtari et al. 2024)."""


def sentences(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader must know before using the figures of `metrics.json`, the most important first.

    Arguments:
        metrics: the content of `metrics.json`.
    """
    most, few = _rejected(metrics)
    told = [*most, *_verdict(metrics), *_modes(metrics), *_reference(metrics), *_trust(metrics)]
    if metrics.get("exact_channel_evaluations"):
        told.append(
            f"The training used {metrics['exact_channel_evaluations']:,} evaluations of the target's closed-form "
            "channels (channels=exact): more than an energy alone gives."
        )
    told += [
        f"{skipped:,} of {metrics['task_steps'][name]:,} steps on the task {name} were skipped: the weights of the "
        "points in the reservoir were too uneven to support it."
        for name, skipped in metrics.get("skipped_steps", {}).items()
        if skipped
    ]
    if metrics.get("zero_density_points"):
        told.append(
            f"{metrics['zero_density_points']:,} points of the training had a log density that is not finite and "
            "counted as density zero."
        )
    told += few
    for name, figures in metrics.get("baselines", {}).items():
        told += [f"Baseline {name} failed: {figures['failed']}."] if "failed" in figures else _chains(name, figures)
    return told


def _rejected(metrics: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What there is to say where most updates were left out, and where fewer were."""
    rejected, steps = metrics.get("rejected_updates"), sum(metrics.get("task_steps", {}).values())
    if not rejected:
        return [], []
    # An adaptive training has no learning rate to choose.
    scheduled = "evaluations_by_source" in metrics
    if scheduled and rejected > 0.5 * steps > 0:
        return [
            f"Hardly trained: {rejected:,} of {steps:,} updates were not finite or exploding and were left out. Try a "
            "smaller optimizer.learning_rate, other optimizer.options, or optimizer.name=natural."
        ], []
    advice = "a smaller optimizer.learning_rate may help" if scheduled else "look at the energy and its gradient"
    what = "not finite or exploding" if scheduled else "not finite"
    return [], [f"{rejected:,} updates were {what} and were left out; {advice}."]


def _verdict(metrics: Mapping[str, Any]) -> list[str]:
    verdict = metrics.get("verdict")
    told = [verdict["sentence"]] if verdict else []
    return told + [
        f"An earlier verdict was: {earlier['sentence']} The training went on with what it had found."
        for earlier in metrics.get("earlier_verdicts", ())
    ]


def _modes(metrics: Mapping[str, Any]) -> list[str]:
    covered, total, ess = metrics.get("modes_covered"), metrics.get("modes_total"), metrics.get("ess")
    if covered is None or total is None:
        return []
    if covered == total:
        return [f"All {total:.0f} known modes are covered."]
    missed = f"Collapsed: {covered:.0f} of {total:.0f} known modes are covered"
    if ess is not None and ess >= GOOD_ESS:
        return [f"{missed}, although ESS is {ess:.3f}: ESS cannot see a mode that the sampler never visits."]
    return [f"{missed}."]


def _reference(metrics: Mapping[str, Any]) -> list[str]:
    means, deviations = metrics.get("reference_mean_error"), metrics.get("reference_sd_error")
    if means is None or deviations is None:
        return []
    return [
        f"All means lie within {means:.1f} and all standard deviations within {deviations:.1f} Monte Carlo errors of "
        "those of the reference draws."
    ]


def _chains(name: str, figures: Mapping[str, Any]) -> list[str]:
    """What R-hat says of the chains of a baseline, beside the modes that they cover."""
    rhat, covered, total = (figures.get(figure) for figure in ("rhat_max", "modes_covered", "modes_total"))
    if rhat is None or covered is None or total is None:
        return []
    told = f"Baseline {name}: R-hat {rhat:.2f}, {covered:.0f} of {total:.0f} modes"
    if covered < total and rhat <= AGREEING_RHAT:
        return [f"{told}: R-hat cannot see a mode that no chain visits."]
    return [f"{told}."]


def _trust(metrics: Mapping[str, Any]) -> list[str]:
    khat, reason = metrics.get("khat"), metrics.get("reasons", {}).get("log_z")
    told = []
    if khat is not None and khat > RELIABLE_KHAT:
        told.append(
            f"k-hat is {khat:.2f}, above {RELIABLE_KHAT}: the sampler's own tails are too short, and ess rests on few "
            "of its draws."
        )
    if reason and metrics.get("log_z") is not None:
        told.append(f"log_z: {reason}.")
    return told
