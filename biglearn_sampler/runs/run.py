"""A run: what was trained, how, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpyro.distributions import Distribution

from biglearn_sampler.catalogue.notebook import html_of
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.arviz import arviz_of, arviz_of_draws
from biglearn_sampler.mixture import GaussianMixture, Mixture
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.posterior import posterior_of


@dataclass(frozen=True)
class Snapshot:
    """The sampler at one time of the training, in the target's own units."""

    step: int
    mixture: GaussianMixture


@dataclass(frozen=True, eq=False)
class Run:
    """The result of `train`, also when loaded from a folder.

    Arguments:
        target: the target that was trained on.
        name: its qualified name, or the name of the function.
        sampler: the trained mixture, in the target's own units; a `FactoredMixture` where the target was found to be
            a product with too many modes for a plain one.
        metrics: as in `metrics.json`: flat figures, `standard_errors`, `reasons`, `moments`, `baselines`.
        history: one row for each chunk of the training, as in `history.jsonl`.
        snapshots: the sampler at several times, the first before training, the last the sampler itself.
        baselines: draws of the baselines by name; empty when the run was loaded from a folder.
        record: as in `run.json`: settings, qualified entries and versions, seed, platform, status.
        folder: where it was written, if anywhere.
    """

    target: AbstractTarget = field(repr=False)
    name: str
    sampler: Mixture = field(repr=False)
    metrics: Mapping[str, Any] = field(repr=False)
    history: Sequence[Mapping[str, Any]] = field(repr=False)
    snapshots: Sequence[Snapshot] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)
    baselines: Mapping[str, BaselineResult] = field(default_factory=dict, repr=False)
    folder: Path | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_of(self)

    @full_precision()
    def posterior(self, count: int = 1000, seed: int = 0, *, resample: bool = True) -> dict[str, np.ndarray]:
        """Independent draws by the names of the target, each array of shape `(count, ...)`.

        Of a NumPyro model: every latent and deterministic site, constrained, in the model's units. Of a target without
        names: `{"x": draws}`.

        Arguments:
            count: number of draws, at least 1.
            seed: the same seed gives the same draws.
            resample: whether draws are taken in proportion to their Pareto-smoothed importance weights, out of `count`
                fresh ones, at least 1,000, and a quarter as many with heavy tails. The default, because the question is
                about the target and not about the sampler; and it costs nothing where the sampler is right: equal
                weights take every draw once. Where it is not, draws repeat, and a warning says when k-hat is above 0.7.
                `False` gives the sampler's own draws, without an evaluation of the energy.

        Raises:
            UserError: `count` or `seed` makes no sense, or all draws have density zero.

        Example:
            >>> import biglearn_sampler as bl
            >>> run = bl.train("two_modes", settings={"training.steps": 50})
            >>> run.posterior(100)["x"].shape
            (100, 2)
        """
        return posterior_of(self.sampler, self.target, count, seed, resample=resample)

    def to_arviz(self, count: int = 1000, seed: int = 0, *, resample: bool = True, baseline: str | None = None) -> Any:
        """The draws of `posterior` as one chain for ArviZ, with the observed values where the target has any.

        An `InferenceData` with ArviZ 0.23 and a `DataTree` with ArviZ 1.x. Resampled draws may repeat, which ArviZ
        cannot know: Monte Carlo errors are in `metrics["moments"]`.

        Arguments:
            count, seed, resample: as of `posterior`.
            baseline: all draws of this baseline instead, chains as chains; `count` and `resample` then say nothing.

        Raises:
            UserError: ArviZ is not installed (the extra `arviz`), there is no such baseline, or as `posterior`.
        """
        if baseline is not None:
            return arviz_of_draws(self._baseline(baseline).draws, self.target, seed, {"method": baseline})
        drawn = self.posterior(count, seed, resample=resample)
        one_chain = {name: values[None] for name, values in drawn.items()}
        return arviz_of(one_chain, self.target.observed(), {"resampled": int(resample)})

    def _baseline(self, name: str) -> BaselineResult:
        if name not in self.baselines:
            known = ", ".join(self.baselines) or "none; a run that was loaded has only their figures"
            raise UserError(f"this run holds no draws of a baseline '{name}'; it holds: {known}")
        return self.baselines[name]

    def to_numpyro(self) -> Distribution:
        """The sampler as a NumPyro distribution, to use in a model.

        Of a target with a single NumPyro site, as of every distribution: a law of that site's value, on its support.
        Otherwise a law of points in the target's own coordinates, as `sampler.to_numpyro()`.
        """
        return self.target.law_of(self.sampler)
