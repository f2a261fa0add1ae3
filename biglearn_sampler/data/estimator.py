"""BigLearn-EM as an estimator of scikit-learn."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from biglearn_sampler.data.fit import fit_data
from biglearn_sampler.data.masks import unmasked
from biglearn_sampler.data.options import Coordinates
from biglearn_sampler.data.parameters import Parameters, free_parameters

LARGEST_SEED = 2**31 - 1


class BigLearnMixture(DensityMixin, BaseEstimator):
    """A Gaussian mixture learnt by big cooperative learning; it can stand where `GaussianMixture` stands.

    Arguments:
        n_components: number of components.
        scheduler: draws the tasks: `None` for `biglearn_em`, `"joint"` for plain EM, or any other of the catalogue.
        steps, floor, prior, smoothing, relocate, shrink, agreement, coordinates, starts, start, missing, minibatch: see
            `biglearn_sampler.data.DataOptions`.
        random_state: a seed or a generator, as everywhere in scikit-learn.

    Attributes:
        weights_, means_, covariances_: of the mixture.
        mixture_: the same as a `biglearn_sampler.GaussianMixture`.
        fit_: the `DataFit`, with history and metrics.
        converged_: whether the tasks agreed in the end.
        lower_bound_: mean log likelihood of the data.

    Example:
        >>> import numpy as np
        >>> from biglearn_sampler import BigLearnMixture
        >>> rows = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[-4.0], [0.0], [4.0]], 200, 0)
        >>> np.bincount(BigLearnMixture(3, random_state=0).fit_predict(rows)).tolist()
        [200, 200, 200]
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        scheduler: Any = None,
        steps: int = 10_000,
        floor: float = 1e-3,
        prior: float | None = None,
        smoothing: float | None = None,
        relocate: bool | None = None,
        shrink: bool | None = None,
        agreement: int = 5,
        coordinates: Coordinates = "standardized",
        starts: int = 1,
        start: float = 1.0,
        missing: bool = False,
        minibatch: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.scheduler = scheduler
        self.steps = steps
        self.floor = floor
        self.prior = prior
        self.smoothing = smoothing
        self.relocate = relocate
        self.shrink = shrink
        self.agreement = agreement
        self.coordinates = coordinates
        self.starts = starts
        self.start = start
        self.missing = missing
        self.minibatch = minibatch
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing
        return tags

    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> BigLearnMixture:
        """Learn the mixture; `y` is there because scikit-learn passes it, and is not looked at."""
        rows = self._checked(X, ensure_min_samples=2)
        options = {name: value for name, value in self.get_params(deep=False).items() if name not in _OWN}
        seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        fitted = fit_data(rows, self.n_components, seed=seed, sample_weight=sample_weight, **options)
        self.fit_, self.mixture_ = fitted, fitted.mixture
        self.weights_ = fitted.parameters.weights
        self.means_, self.covariances_ = fitted.parameters.means, fitted.parameters.covariances
        self.converged_ = bool(fitted.metrics["agreed"])
        self.lower_bound_ = float(fitted.metrics["log_likelihood"])
        return self

    def fit_predict(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> np.ndarray:
        """Learn the mixture, and give the most probable component of every row."""
        return self.fit(X, y, sample_weight).predict(X)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable component of every row."""
        return self.predict_proba(X).argmax(1)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """The probability of every component, of shape `(n_samples, n_components)`."""
        rows = self._rows(X)
        return self.fit_.responsibilities(rows)

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """The log density of every row."""
        rows = self._rows(X)
        return self.fit_.log_densities(rows)

    def score(self, X: ArrayLike, y: Any = None) -> float:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The mean log density of the rows."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Rows drawn from the mixture, and the component of each.

        Raises:
            ValueError: fewer than one row is asked for.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples}")
        generator = check_random_state(self.random_state)
        chosen = np.sort(generator.choice(len(self.weights_), n_samples, p=self.weights_ / self.weights_.sum()))
        law = Parameters(np.log(self.weights_), self.means_, self.covariances_)
        return law.draws(chosen, generator), chosen

    def bic(self, X: ArrayLike) -> float:
        """The Bayesian information criterion; the lower the better."""
        scores = self.score_samples(X)
        return float(-2.0 * scores.sum() + self._freedom * np.log(len(scores)))

    def aic(self, X: ArrayLike) -> float:
        """Akaike's information criterion; the lower the better."""
        scores = self.score_samples(X)
        return float(-2.0 * scores.sum() + 2.0 * self._freedom)

    @property
    def _freedom(self) -> int:
        return free_parameters(*self.means_.shape)

    @property
    def _finite(self) -> bool | Literal["allow-nan"]:
        return "allow-nan" if self.missing else True

    def _rows(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return self._checked(X, reset=False)

    def _checked(self, X: Any, **options: Any) -> np.ndarray:
        """What scikit-learn asks of every table; its own annotations are narrower than what it takes."""
        rows: Any = validate_data(self, unmasked(X), dtype=np.float64, ensure_all_finite=self._finite, **options)
        return rows


_OWN = {"n_components", "random_state"}
"""Parameters that are no options of the fit."""
