"""Which metric sees which fault: every metric on 2,000 draws of samplers with one fault planted.

    python benchmarks/metric_faults.py        about a minute; writes the tables of docs/metrics.md

The target has three Gaussians in the plane, deviation 0.7, means (-4, 0), (4, 0) and (0, 6), masses 0.5, 0.3 and 0.2;
for `entropic_coverage`, which wants equal masses, a third each. A sampler is told from exact draws if its figure is,
with each seed, at least four of the stated errors beyond what exact draws reach: the ideal, the floor or the null
quantile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from math import hypot, inf
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.catalogue import Built, Catalogue
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, ReferenceMoments, function_target
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.mixture import GaussianMixture

DOCUMENT = Path(__file__).parent.parent / "docs" / "metrics.md"
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"
SEEDS = range(5)
COUNT = 2000
CHAINS = 4
SEEN = 4.0
"""Errors beyond what exact draws reach; these stray so far once in ten thousand times."""
ROUNDING = 1e-4
"""Of figures that are exact for an exact sampler, and have no other error there."""

MEANS = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 6.0]])
VARIANCE = 0.5
MASSES, EQUAL = (0.5, 0.3, 0.2), (1 / 3, 1 / 3, 1 / 3)


def fault_samplers(masses: tuple[float, ...]) -> dict[str, GaussianMixture]:
    """The target itself, and samplers each with one fault."""
    swapped = masses[::-1] if masses != EQUAL else MASSES
    return {
        "exact": GaussianMixture.of(MEANS, VARIANCE, list(masses)),
        "a mode missing": GaussianMixture.of(MEANS[:2], VARIANCE, np.array(masses[:2]) / sum(masses[:2])),
        "masses swapped": GaussianMixture.of(MEANS, VARIANCE, list(swapped)),
        "too narrow": GaussianMixture.of(MEANS, VARIANCE / 2, list(masses)),
        "much too narrow": GaussianMixture.of(MEANS, VARIANCE / 20, list(masses)),
        "shifted": GaussianMixture.of(MEANS + np.array([0.35, 0.0]), VARIANCE, list(masses)),
    }


FAULTS = (*tuple(fault_samplers(MASSES))[1:], "chains apart")
"""The last: four chains that each stay in one mode, with about the right masses together."""

Signal = Callable[[Mapping[str, Measured]], float | None]
"""Errors by which the figures of a metric are worse than those of exact draws; `None` if they are missing."""


def beyond(figure: str, other: str | None = None, *, ideal: float = 0.0, sign: float = 1.0) -> Signal:
    """By how many errors of both a figure exceeds another one, or an ideal; with `sign=-1` falls short of it."""

    def signal(found: Mapping[str, Measured]) -> float | None:
        value, reference = found[figure], Measured(ideal) if other is None else found[other]
        if value.value is None or reference.value is None:
            return None
        errors = (value.standard_error or 0.0, reference.standard_error or 0.0, ROUNDING)
        return sign * (value.value - reference.value) / hypot(*errors)

    return signal


def both_ways(figure: str) -> Signal:
    """By how many errors a figure that should be zero is off."""
    signal = beyond(figure)
    return lambda found: None if (errors := signal(found)) is None else abs(errors)


def modes_missed(found: Mapping[str, Measured]) -> float | None:
    """Whether the binomial intervals leave a mode that is surely not covered."""
    high, total = found["modes_covered_high"].value, found["modes_total"].value
    return None if high is None or total is None else inf if high < total else 0.0


def errors_told(figure: str) -> Signal:
    """A figure that counts errors by itself."""
    return lambda found: found[figure].value


def disagreement(found: Mapping[str, Measured]) -> float | None:
    """R-hat has no standard error; the usual limit of 1.01 stands for it."""
    rhat = found["rhat_max"].value
    return None if rhat is None else inf if rhat > 1.01 else 0.0


SIGNALS: Mapping[str, tuple[tuple[str, Signal], ...]] = {
    "elbo": (("kl_reverse", beyond("kl_reverse")),),
    "eubo": (("kl_forward", beyond("kl_forward")),),
    "log_z": (("log_z_error", both_ways("log_z_error")),),
    "log_z_forward": (
        ("log_z_forward_error", both_ways("log_z_forward_error")),
        ("log_z_gap", both_ways("log_z_gap")),
    ),
    "ess": (("ess", beyond("ess", ideal=1.0, sign=-1.0)),),
    "ess_forward": (("ess_forward", beyond("ess_forward", ideal=1.0, sign=-1.0)),),
    # The weights of a sampler that is nearly exact are bounded, and have a shape of at most zero.
    "khat": (("khat", beyond("khat")),),
    "mode_coverage": (
        ("modes_covered", modes_missed),
        ("mode_mass_tv", beyond("mode_mass_tv", "mode_mass_tv_floor")),
    ),
    "mode_mass_kl": (("mode_mass_kl", beyond("mode_mass_kl", "mode_mass_kl_floor")),),
    "entropic_coverage": (("entropic_coverage", beyond("entropic_coverage", "entropic_coverage_floor", sign=-1.0)),),
    "w2": (("w2", beyond("w2", "w2_floor")),),
    "sliced_w2": (("sliced_w2", beyond("sliced_w2", "sliced_w2_floor")),),
    "mmd": (("mmd2", beyond("mmd2", "mmd2_null_quantile")),),
    "energy_histogram": (("energy_tv", beyond("energy_tv", "energy_tv_floor")),),
    "moment_errors": (
        ("mean_error_max", beyond("mean_error_max", "moment_error_quantile")),
        ("variance_error_max", beyond("variance_error_max", "moment_error_quantile")),
    ),
    "ksd": (("ksd", beyond("ksd", "ksd_null_quantile")),),
    "chain_diagnostics": (("rhat_max", disagreement),),
    "reference_moments": (
        ("reference_mean_error", errors_told("reference_mean_error")),
        ("reference_sd_error", errors_told("reference_sd_error")),
    ),
}
"""The figures of every metric that tell."""


@dataclass(frozen=True, eq=False)
class Case:
    """Draws with the target that they should come from."""

    draws: Draws
    target: AbstractTarget


@cache
def case_of(fault: str, masses: tuple[float, ...], seed: int) -> Case:
    """Draws of a sampler with a fault; `exact chains` are exact draws dealt out to chains."""
    samplers = fault_samplers(masses)
    target = target_of(masses)
    chains = CHAINS if fault in ("exact chains", "chains apart") else None
    sampler = samplers["exact"] if chains else samplers[fault]
    key = jax.random.fold_in(jax.random.key(seed), list(("exact chains", "chains apart", *samplers)).index(fault))
    if fault == "chains apart":
        points = _apart(key)
    else:
        points = np.asarray(sampler.sample(key, COUNT), float)
    log_target = _log_density(samplers["exact"], points)
    if chains:
        return Case(Draws(points, log_target, chains=chains), target)
    return Case(
        Draws(points, log_target, _log_density(sampler, points), log_sampler_at=partial(_log_density, sampler)), target
    )


@cache
def target_of(masses: tuple[float, ...]) -> AbstractTarget:
    """One object for all cases, so that it is compiled once; its moments stand for those of reference draws."""
    exact = fault_samplers(masses)["exact"]
    facts = replace(MixtureTarget.of(exact, scale=8.0).facts, reference=exact_moments(masses))
    return function_target(exact.log_density, dim=2, scale=8.0, facts=facts)


def exact_moments(masses: tuple[float, ...]) -> dict[str, ReferenceMoments]:
    """Means and deviations of both coordinates, without an error."""
    weights = np.array(masses)
    means = weights @ MEANS
    deviations = np.sqrt(weights @ (MEANS - means) ** 2 + VARIANCE)
    return {
        f"x[{place}]": ReferenceMoments(mean=float(mean), sd=float(deviation), mean_error=0.0, sd_error=0.0)
        for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True))
    }


def _apart(key: jax.Array) -> np.ndarray:
    """Two chains in the first mode, one in each other."""
    modes = np.repeat([0, 0, 1, 2], COUNT // CHAINS)
    return MEANS[modes] + np.sqrt(VARIANCE) * np.asarray(jax.random.normal(key, (COUNT, 2)), float)


_compiled = jax.jit(GaussianMixture.log_density)


def _log_density(mixture: GaussianMixture, points: np.ndarray) -> np.ndarray:
    return np.asarray(_compiled(mixture, jnp.asarray(points, float)), float)


def signals(metric: Built[AbstractMetric], fault: str, seed: int) -> dict[str, float | None]:
    """By how many errors every telling figure of a metric sees a fault."""
    name = metric.record.name.split(":")[-1]
    case = case_of(fault, EQUAL if name == "entropic_coverage" else MASSES, seed)
    found = metric.value.compute(case.draws, case.target, jax.random.key(1000 + seed))
    return {figure: signal(found) for figure, signal in SIGNALS[name]}


def fault_table(metrics: Mapping[str, Built[AbstractMetric]]) -> str:
    """Which figure sees which fault, as a Markdown table."""
    rows = []
    for name, metric in metrics.items():
        found = {fault: [signals(metric, fault, seed) for seed in SEEDS] for fault in FAULTS}
        for figure, _ in SIGNALS[name]:
            rows.append(
                [f"`{name}`", f"`{figure}`", *(_cell([each[figure] for each in found[fault]]) for fault in FAULTS)]
            )
    return _table(["metric", "figure", *FAULTS], rows)


def _cell(found: list[float | None]) -> str:
    present = [errors for errors in found if errors is not None]
    if not present:
        return "-"
    errors = median(present)
    shown = "yes" if errors == inf else f"{errors:.0f}" if errors < 1000 else "> 1000"
    if min(present) >= SEEN:
        return f"**{shown}**"
    return "no" if errors <= 0.5 else shown


def metric_table(metrics: Mapping[str, Built[AbstractMetric]], catalogue: Catalogue) -> str:
    """What every metric gives, as a Markdown table."""
    entries = {offer.entry.name: offer.entry for offer in catalogue.offers("metric")}
    rows = [[f"`{name}`", entries[name].summary, entries[name].reference or "-"] for name in metrics]
    return _table(["metric", "what", "source"], rows)


def _table(heading: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heading, ["---"] * len(heading), *rows])


def built_in(catalogue: Catalogue) -> dict[str, Built[AbstractMetric]]:
    """The built-in metrics by name, as they are built without parameters, in the order of `SIGNALS`."""
    return {name: catalogue.build("metric", f"biglearn_metrics:{name}") for name in SIGNALS}


def with_table(text: str, name: str, table: str) -> str:
    """A document with the table between its two marks."""
    before, rest = text.split(BEGIN.format(name))
    _, after = rest.split(END.format(name))
    return f"{before}{BEGIN.format(name)}\n{table}\n{END.format(name)}{after}"


def main() -> None:
    catalogue = Catalogue(only=["biglearn-sampler"])
    metrics = built_in(catalogue)
    text = with_table(DOCUMENT.read_text(encoding="utf-8"), "metrics", metric_table(metrics, catalogue))
    text = with_table(text, "faults", fault_table(metrics))
    DOCUMENT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
