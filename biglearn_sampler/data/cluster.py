"""What a fit says about points: those that it was fitted to, and those that were kept from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from biglearn_sampler.data.partitions import adjusted_rand_index, normalized_mutual_information
from biglearn_sampler.data.result import DataFit


@dataclass(frozen=True)
class Clustering:
    """Points with the clusters that they belong to.

    Arguments:
        fit: the mixture.
        labels: the cluster of every point.
        scores: `nmi` and `ari` against true labels, where these are known; of the points that were held out, if any.
        held_out: how many points were kept from the fit, and their mean log likelihood; empty if none.
    """

    fit: DataFit
    labels: Int[np.ndarray, " count"]
    scores: dict[str, float]
    held_out: dict[str, float]

    @classmethod
    def of(
        cls,
        fit: DataFit,
        points: np.ndarray,
        truth: np.ndarray | None = None,
        held_out: Bool[np.ndarray, " count"] | None = None,
    ) -> Clustering:
        """The clusters of some points.

        Arguments:
            fit: the mixture.
            points: all of them.
            truth: the true label of each.
            held_out: which of them were kept from the fit.

        Raises:
            DataError: there are more or fewer true labels than points.
        """
        labels = fit.labels(points)
        judged = np.ones(len(labels), bool) if held_out is None else held_out
        scores, outside = {}, {}
        if truth is not None:
            scores = {
                "nmi": normalized_mutual_information(truth[judged], labels[judged]),
                "ari": adjusted_rand_index(truth[judged], labels[judged]),
            }
        if held_out is not None:
            likelihood = float(fit.log_densities(points[held_out]).mean())
            outside = {"points": int(held_out.sum()), "log_likelihood": likelihood}
        return cls(fit, labels, scores, outside)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """One row for each cluster: its number, its points, their share, and its weight in the mixture."""
        return [
            (str(number), f"{count:,}", f"{count / len(self.labels):.3f}", f"{weight:.3f}")
            for number, (count, weight) in enumerate(zip(self._counts, self.fit.parameters.weights, strict=True))
        ]

    def sentences(self) -> list[str]:
        """What the figures mean."""
        metrics = self.fit.metrics
        told = [
            f"log likelihood {metrics['log_likelihood']:.4f} a point, BIC {metrics['bic']:,.1f}; {metrics['stopped']}, "
            f"after {metrics['sweeps']:,} sweeps and {metrics['seconds']:.1f} s."
        ]
        if metrics["revived"] or metrics["relocated"]:
            told.append(f"{metrics['revived']} components were revived and {metrics['relocated']} relocated.")
        unused = np.flatnonzero(self._counts == 0).tolist()
        if unused:
            told.append(f"Clusters that are no point's own: {', '.join(map(str, unused))}.")
        faint = [number for number in metrics["empty"] if number not in unused]
        if faint:
            told.append(f"Clusters with points that others explain as well: {', '.join(map(str, faint))}.")
        if self.held_out:
            told.append(
                f"Log likelihood of the {self.held_out['points']:,} points that were held out: "
                f"{self.held_out['log_likelihood']:.4f} a point."
            )
        if self.scores:
            whose = "of these points" if self.held_out else "of all points"
            told.append(f"Against the true labels {whose}: NMI {self.scores['nmi']:.4f}, ARI {self.scores['ari']:.4f}.")
        return told

    @property
    def _counts(self) -> Int[np.ndarray, " components"]:
        """How many points each cluster has."""
        return np.bincount(self.labels, minlength=self.fit.parameters.components)

    def to_json(self) -> dict[str, Any]:
        """The figures; those that are no finite numbers are `None`."""
        figures = {"metrics": dict(self.fit.metrics), "scores": self.scores, "held_out": self.held_out}
        return {name: {key: _finite(value) for key, value in group.items()} for name, group in figures.items()}


def _finite(value: Any) -> Any:
    """A figure as JSON has it, also one of a list; `None` for NaN and infinities, which it has not."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
