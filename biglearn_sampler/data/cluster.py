"""What a fit says about the points that it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from biglearn_sampler.data.partitions import adjusted_rand_index, normalized_mutual_information
from biglearn_sampler.data.result import DataFit


@dataclass(frozen=True)
class Clustering:
    """Points with the clusters that they belong to.

    Arguments:
        fit: the mixture.
        labels: the cluster of every point.
        scores: `nmi` and `ari` against true labels, where these are known.
    """

    fit: DataFit
    labels: Int[np.ndarray, " count"]
    scores: dict[str, float]

    @classmethod
    def of(cls, fit: DataFit, points: np.ndarray, truth: np.ndarray | None = None) -> Clustering:
        """The clusters of some points.

        Raises:
            DataError: there are more or fewer true labels than points.
        """
        labels = fit.labels(points)
        if truth is None:
            return cls(fit, labels, {})
        scores = {
            "nmi": normalized_mutual_information(truth, labels),
            "ari": adjusted_rand_index(truth, labels),
        }
        return cls(fit, labels, scores)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """One row for each cluster: its number, its points, their share, and its weight in the mixture."""
        weights = self.fit.parameters.weights
        counts = np.bincount(self.labels, minlength=len(weights))
        return [
            (str(number), f"{count:,}", f"{count / len(self.labels):.3f}", f"{weight:.3f}")
            for number, (count, weight) in enumerate(zip(counts, weights, strict=True))
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
        if metrics["empty"]:
            told.append(f"Clusters without points of their own: {', '.join(map(str, metrics['empty']))}.")
        if self.scores:
            told.append(f"Against the true labels: NMI {self.scores['nmi']:.4f}, ARI {self.scores['ari']:.4f}.")
        return told

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        return {"metrics": dict(self.fit.metrics), "scores": self.scores}
