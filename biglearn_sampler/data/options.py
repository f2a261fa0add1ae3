"""How a mixture is learnt from data."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal

from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.errors import DataError

Coordinates = Literal["standardized", "raw"]


LEAST_FLOOR = 1e-10
"""Below, densities lose digits: as monomials they are differences of numbers as large as `x^2 / floor`."""

MOST_SMOOTHING = 1e6
"""Beyond, weights are equal, and what tells them apart is lost in rounding."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What can be set; the defaults serve data in any units.

    Arguments:
        scheduler: draws the tasks: a name in the catalogue, a mapping with "name" and parameters, or a scheduler;
            `None` for `biglearn_em` with the dimension of the data. `"joint"` is plain EM.
        steps: EM steps at most; what follows the last task, joint steps without smoothing, comes on top.
        floor: the smallest eigenvalue of a covariance, as a share of the mean variance of the columns in the
            coordinates of training, from 1e-10 on. Raise it to 0.1 for columns with few values, which a cluster would
            share.
        prior: points that every component has seen beforehand, spread as if `components` equal ones shared the spread
            of the data among them (after Fraley and Raftery 2007); `None` for one, and for none with joint tasks only.
        smoothing: added to every share of mass before weights are normalised, while tasks are drawn; `None` for
            `1 / sqrt(components)`, and for none with joint tasks only.
        relocate: whether twins are merged and wide components split where all tasks agree; `None` for yes, and for no
            with joint tasks only.
        shrink: whether in the end weights and covariances are drawn together, or covariances to their diagonals, as
            far as that predicts parts of the points better from the others; `None` for yes, and for no with joint
            tasks only.
        agreement: rounds of tasks that must lead back to the same joint optimum before the fit is over.
        coordinates: whether columns are scaled to a variance of one (`standardized`), or centred only (`raw`).
        starts: independent starts, of which the one with the highest likelihood is kept.
        start: standard deviation of the first means about the centre, which is also that of the first components, as a
            multiple of the root of the mean variance of the columns in the coordinates of training.
        missing: whether NaN stands for a missing value.
        minibatch: rows that each task works on; `None`, or as many as there are, for all of them.
    """

    scheduler: Any = None
    steps: int = 10_000
    floor: float = 1e-3
    prior: float | None = None
    smoothing: float | None = None
    relocate: bool | None = None
    shrink: bool | None = None
    agreement: int = 5
    coordinates: Coordinates = "standardized"
    starts: int = 1
    start: float = 1.0
    missing: bool = False
    minibatch: int | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise DataError(problem)

    def _problems(self) -> list[str]:
        counts = {name: getattr(self, name) for name in ("steps", "agreement", "starts")}
        if self.minibatch is not None:
            counts["minibatch"] = self.minibatch
        told = [
            f"{name} must be a whole number of at least 1, got {value!r}"
            for name, value in counts.items()
            if not is_count(value)
        ]
        if not (_is_number(self.floor) and 0 < self.floor < 1):
            told.append(f"floor must be a number above 0 and below 1, got {self.floor!r}")
        elif self.floor < LEAST_FLOOR:
            told.append(
                f"floor must be at least {LEAST_FLOOR:g}, got {self.floor!r}: the densities of narrower clusters are "
                "lost in rounding"
            )
        for name, value in {"prior": self.prior, "smoothing": self.smoothing}.items():
            if value is not None and not (_is_number(value) and 0 <= value < math.inf):
                told.append(f"{name} must be a finite number and not negative, got {value!r}")
        if self.smoothing is not None and _is_number(self.smoothing) and self.smoothing > MOST_SMOOTHING:
            told.append(f"smoothing must be at most {MOST_SMOOTHING:g}, got {self.smoothing!r}")
        if not (_is_number(self.start) and 0 < self.start < math.inf):
            told.append(f"start must be a finite number above 0, got {self.start!r}")
        for name, value in {"missing": self.missing, "relocate": self.relocate, "shrink": self.shrink}.items():
            if value not in (True, False, None):
                told.append(f"{name} must be True or False, got {value!r}")
        if self.coordinates not in ("standardized", "raw"):
            told.append(f"coordinates must be 'standardized' or 'raw', got {self.coordinates!r}")
        return told


def options_of(given: dict[str, Any]) -> DataOptions:
    """Options by their names.

    Raises:
        DataError: an unknown name, or a value that makes no sense.
    """
    known = [field.name for field in fields(DataOptions)]
    for name in given:
        if name not in known:
            raise DataError(f"there is no option '{name}'{did_you_mean(name, known)} There are: {', '.join(known)}")
    return DataOptions(**given)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of at least 1."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
