"""What a comparison says, in sentences."""

from __future__ import annotations

from collections import Counter

from biglearn_sampler.comparison.aggregate import Aggregate
from biglearn_sampler.comparison.comparison import OURS, Comparison
from biglearn_sampler.comparison.standing import agreement_with_ours, standing_of
from biglearn_sampler.comparison.trial import Trial

AGREEING_RHAT = 1.01
"""Above it, chains disagree (Vehtari et al. 2021)."""


def sentences_of(comparison: Comparison) -> list[str]:
    """One sentence for every method, ours first with how it stands beside the others, and what to beware of."""
    told = [sentence for method in comparison.methods for sentence in _of_method(comparison, method)]
    return [*told, *_closed_form(comparison), *_failures(comparison)]


def verdicts_of(comparison: Comparison) -> Counter[str]:
    """How often which verdict was given on our sampler."""
    return Counter(trial.verdict for trial in comparison.finished(OURS) if trial.verdict is not None)


def _of_method(comparison: Comparison, method: str) -> list[str]:
    trials = comparison.finished(method)
    if not trials:
        return []
    spent = comparison.figure(method, "evaluations")
    parts = [*_modes(comparison, method), *_log_z(comparison, method), *_agreement(comparison, method)]
    parts += agreement_with_ours(comparison, method)
    parts.append(f"{_range(spent)} evaluations")
    told = [f"{method}: {', '.join(parts)}{_on_seeds(len(trials))}."]
    if method == OURS:
        told += [_verdicts(comparison)] if verdicts_of(comparison) else []
        told += standing_of(comparison)
    return [*told, *_blind_rhat(comparison, method)]


def _modes(comparison: Comparison, method: str) -> list[str]:
    covered, total = comparison.figure(method, "modes_covered"), comparison.figure(method, "modes_total")
    if covered is None or total is None:
        return []
    modes = f"{_range(covered)} of {total.most:.0f} modes"
    variation, floor = comparison.figure(method, "mode_mass_tv"), comparison.figure(method, "mode_mass_tv_floor")
    if variation is None:
        return [modes]
    beside = f" (exact draws: {floor.mean:.3f})" if floor is not None else ""
    return [modes, f"masses off by {variation.mean:.3f}{beside}"]


def _log_z(comparison: Comparison, method: str) -> list[str]:
    error = comparison.figure(method, "log_z_error")
    return [] if error is None else [f"log Z off by {max(abs(error.least), abs(error.most)):.3f} at most"]


def _agreement(comparison: Comparison, method: str) -> list[str]:
    """R-hat of chains; where modes are not known, also how even the weights of independent draws are."""
    rhat, ess = comparison.figure(method, "rhat_max"), comparison.figure(method, "ess")
    if rhat is not None:
        ends = dict.fromkeys(f"{end:.2f}" for end in (rhat.least, rhat.most))
        return [f"R-hat {' to '.join(ends)}"]
    if ess is not None and comparison.figure(method, "modes_covered") is None:
        return [f"ESS {ess.mean:.1%} of its draws"]
    return []


def _verdicts(comparison: Comparison) -> str:
    counted = verdicts_of(comparison)
    return "The verdict on it: " + ", ".join(f"{name} ({count})" for name, count in counted.most_common()) + "."


def _blind_rhat(comparison: Comparison, method: str) -> list[str]:
    """On how many seeds R-hat is content and modes are missing."""
    blind = sum(_is_blind(trial) for trial in comparison.finished(method))
    if not blind:
        return []
    return [
        f"{method}: R-hat is at most {AGREEING_RHAT} where modes are missing{_on_seeds(blind)}; it cannot see them."
    ]


def _is_blind(trial: Trial) -> bool:
    rhat, covered, total = (trial.figure(name) for name in ("rhat_max", "modes_covered", "modes_total"))
    return rhat is not None and covered is not None and total is not None and rhat <= AGREEING_RHAT and covered < total


def _closed_form(comparison: Comparison) -> list[str]:
    """What our training had that an energy alone does not give, and no other method had."""
    used = comparison.figure(OURS, "exact_channel_evaluations")
    if used is None or not used.most:
        return []
    return [
        f"{OURS}: {_range(used)} of its evaluations are of the target's closed-form channels (channels=exact), which "
        "no other method here was given."
    ]


def _failures(comparison: Comparison) -> list[str]:
    reasons = {
        method: list(dict.fromkeys(str(trial.failed) for trial in comparison.failures(method)))
        for method in comparison.methods
    }
    return [
        f"{method} failed{_on_seeds(len(comparison.failures(method)))}: {'; '.join(told)}."
        for method, told in reasons.items()
        if told
    ]


def _range(each: Aggregate | None) -> str:
    if each is None:
        return "unknown"
    if each.least == each.most:
        return f"{each.least:,.0f}"
    return f"{each.least:,.0f} to {each.most:,.0f}"


def _on_seeds(count: int) -> str:
    return " on 1 seed" if count == 1 else f" on {count} seeds"
