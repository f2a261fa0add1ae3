"""The columns of the table of methods: which figure, how it is written, what it means."""

from __future__ import annotations

from dataclasses import dataclass

from biglearn_plugins.reports.page.numbers_as_text import number, span, with_error
from biglearn_sampler.comparison import Aggregate


@dataclass(frozen=True)
class Column:
    """One figure of all methods.

    Arguments:
        figure: its name in the figures of a trial.
        heading: as the table has it.
        meaning: one sentence for readers who do not know the figure.
        decimals: of single values.
        most_decimals: of a mean over several seeds; as many by default.
        factor: the figure is shown times this, such as 100 for percent.
        unit: behind the number.
        out_of: a figure that stands behind this one, as in `5 of 25`.
        floor: a figure that stands below this one: what exact draws reach.
        absolute: whether rows are sorted by size without the sign, as errors are.
        larger_first: whether the first click sorts the largest to the top.
    """

    figure: str
    heading: str
    meaning: str
    decimals: int = 2
    most_decimals: int | None = None
    factor: float = 1.0
    unit: str = ""
    out_of: str | None = None
    floor: str | None = None
    absolute: bool = False
    larger_first: bool = False

    def mean(self, each: Aggregate) -> str:
        """The mean with its standard error."""
        error = None if each.standard_error is None else each.standard_error * self.factor
        most = self.decimals if self.most_decimals is None else self.most_decimals
        return with_error(each.mean * self.factor, error, self.decimals, most) + self.unit

    def range(self, each: Aggregate) -> str:
        """From the least seed to the most, as precise as a single seed deserves."""
        return span(each.least * self.factor, each.most * self.factor, self.decimals) + self.unit

    def rank(self, each: Aggregate) -> float:
        """What rows are sorted by."""
        return abs(each.mean) if self.absolute else each.mean

    def plain(self, value: float) -> str:
        """A number in the unit of the column."""
        return number(value * self.factor, self.decimals) + self.unit


EVALUATIONS = Column(
    "evaluations",
    "Evaluations",
    "of the energy and of its gradient together, warm-up and adaptation included; of our sampler those of its "
    "training, without the draws that are judged and the verdict",
    0,
)
MODES = Column(
    "modes_covered",
    "Modes",
    "known modes that hold at least a tenth of their true mass",
    0,
    most_decimals=1,
    out_of="modes_total",
    larger_first=True,
)
MASS = Column(
    "mode_mass_tv",
    "Mass TV",
    "total variation between the masses of the modes and the true ones: 0 is right, 1 is all wrong",
    3,
    floor="mode_mass_tv_floor",
)
LOG_Z_ERROR = Column("log_z_error", "log Z error", "estimate of log Z minus the exact log Z", 3, absolute=True)
LOG_Z = Column("log_z", "log Z", "estimate of the log of the integral of the density as written", 3)
WEIGHTS = Column(
    "ess",
    "ESS of weights",
    "effective share of independent draws by their importance weights; blind to modes that were missed",
    1,
    factor=100.0,
    unit=" %",
    larger_first=True,
)
KHAT = Column(
    "khat",
    "k\N{COMBINING CIRCUMFLEX ACCENT}",
    "Pareto shape of the importance weights; above 0.7 they are unreliable",
    2,
)
CHAINS = Column(
    "ess_bulk_min",
    "ESS of chains",
    "effective number of draws of the worst coordinate, by autocorrelation; blind to modes that were missed",
    0,
    larger_first=True,
)
RHAT = Column(
    "rhat_max",
    "R\N{COMBINING CIRCUMFLEX ACCENT}",
    "disagreement of chains, the worst coordinate; above 1.01 they have not mixed, at most 1.01 proves nothing",
    2,
)
COMPILING = Column("seconds_compile", "Compile, s", "seconds until compiled code was ready", 1)
RUNNING = Column(
    "seconds_run",
    "Run, s",
    "seconds of running, without compilation; of our sampler those of its training, without the verdict",
    1,
)


def columns_for(exact_log_z: bool) -> list[Column]:
    """All columns; the error of `log Z` where it is known, else `log Z` itself."""
    log_z = LOG_Z_ERROR if exact_log_z else LOG_Z
    return [EVALUATIONS, MODES, MASS, log_z, WEIGHTS, KHAT, CHAINS, RHAT, COMPILING, RUNNING]
