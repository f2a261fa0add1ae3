"""A few EM steps on one task: data and mixture are matched as the task sees them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_sampler.data.floors import floor_eigenvalues
from biglearn_sampler.data.maximise import Rules, maximise
from biglearn_sampler.data.missing import completed, observed_sums
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import Points, View
from biglearn_sampler.data.sums import Sums, sums_over


class Matcher:
    """Makes EM steps on one set of points.

    Arguments:
        points: the data, or a part of them.
        rules: of every maximisation step.
        memory: mass of data like those of the mixture so far that every step adds; above zero on minibatches.
    """

    def __init__(self, points: Points, rules: Rules, memory: float = 0.0) -> None:
        self._points, self._rules, self._memory = points, rules, memory
        self._joint: View | None = None

    def sums(self, parameters: Parameters) -> Sums:
        """The expectation step of the joint task."""
        if self._points.missing:
            return observed_sums(self._points, parameters)
        if self._joint is None:
            self._joint = View(self._points)
        return sums_over(self._joint, parameters)

    def joint(self, parameters: Parameters, steps: int, tolerance: float = 0.0) -> tuple[Parameters, float]:
        """Joint EM steps, fewer once a step gains less than the tolerance.

        Returns the parameters, and the log likelihood of each point before the last step, in nats.
        """
        before = -np.inf
        for _ in range(steps):
            sums = self.sums(parameters)
            value = sums.log_likelihood / self._points.mass
            if tolerance > 0 and value - before < tolerance:
                return parameters, value
            parameters, before = self._step(sums, parameters), value
        return parameters, before

    def marginal(
        self,
        parameters: Parameters,
        matrix: Float[np.ndarray, "rows dim"],
        steps: int,
        generator: np.random.Generator,
    ) -> tuple[Parameters, float]:
        """EM steps on the law of `y = W x`; returns the parameters and the log likelihood of `y` before the last one.

        Arguments:
            parameters: of the mixture over `x`.
            matrix: `W`, with orthonormal rows.
            steps: at least 1.
            generator: draws missing values.
        """
        points = completed(self._points, parameters, generator) if self._points.missing else self._points
        view, before = View(points, matrix), parameters.through(matrix)
        after, value = before, -np.inf
        for _ in range(steps):
            sums = sums_over(view, after)
            value = sums.log_likelihood / self._points.mass
            after = self._step(sums, after)
        return lifted(parameters, before, after, matrix, self._rules.floor), value

    def _step(self, sums: Sums, before: Parameters) -> Parameters:
        if self._memory:
            sums = sums + Sums.expected(before, self._memory, self._rules.smoothing)
        return maximise(sums, before, self._rules)


def lifted(
    parameters: Parameters, before: Parameters, after: Parameters, matrix: Float[np.ndarray, "rows dim"], floor: float
) -> Parameters:
    """The mixture over `x` with a new law of `y = W x`.

        mu_k + W^T (m'_k - m_k),   S_k + W^T (V'_k - V_k) W,   with eigenvalues floored

    as Cong and Li (2024) have it: blocks across `y` and its complement stay as they are. What keeps the regression on
    `y` instead needs no floor, and frees the mixture from fewer local optima.
    """
    means = parameters.means + (after.means - before.means) @ matrix
    covariances = parameters.covariances + matrix.T @ (after.covariances - before.covariances) @ matrix
    return Parameters(after.log_weights, means, floor_eigenvalues(0.5 * (covariances + covariances.mT), floor))
