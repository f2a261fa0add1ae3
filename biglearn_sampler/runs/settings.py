"""The settings of a run: what may be said, in which ranges, with which defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

LARGEST = 1e18
"""Of any number: training computes with 32 bits, where the square of a larger one is infinite."""

MOST_STEPS = 2**31 - 1
"""Steps are counted with 32 bits."""


def _whole(value: Any) -> Any:
    """`1e5` is a whole number too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Strict, because neither `true` nor `"4"` is a number.
Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
Number = Annotated[FiniteFloat, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Switch = Annotated[bool, Field(strict=True)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Vector = Number | tuple[Number, ...]
PositiveVector = Positive | tuple[Positive, ...]
EntrySpec = str | dict[str, Any]

ENERGY_ONLY = {"name": "uniform", "tasks": ("joint", "transformed_conditional")}
"""The tasks that are exact for any energy in any dimension."""


EXPLORING = ("conditional", "transformed_conditional", "marginal", "transformed_marginal", "noised")
"""All families of tasks of the paper."""

EXACT = {"name": "uniform", "tasks": ("joint", *EXPLORING)}
"""Those that closed-form channels serve as well."""

SCHEDULED_COMPONENTS = 64
"""Of a scheduled training that names no number."""

SCHEDULED = ("channels", "scheduler", "training", "optimizer", "weights", "quadrature", "reservoir")
"""What only a scheduled training knows; `channels = "energy"` says nothing."""


WITHOUT_EFFECT = ("budget", "checkpoint", "data", "metrics", "reports", "evaluation", "compare", "requires")
"""Settings on which the training does not depend; the budget only says where it ends."""


def scheduled_keys(values: Mapping[str, Any]) -> list[str]:
    """The settings among those given that only a scheduled training knows."""
    return [key for key in SCHEDULED if key in values and values[key] != "energy"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class StartSettings(_Section):
    """The region where component means begin, in the target's own units; what is left out is declared by the target."""

    mean: Vector | None = Field(default=None, description="centre of the region; default: the declared centre")
    sd: PositiveVector | None = Field(default=None, description="spread of the region; default: the declared scale")
    covariance: tuple[tuple[Number, ...], ...] | None = Field(
        default=None, description="covariance of the region, instead of `sd`"
    )
    width: PositiveVector | None = Field(
        default=None, description="standard deviation of a fresh component; default: 0.3 declared scales"
    )


class TrainingSettings(_Section):
    """How long and how much at a time."""

    steps: Whole = Field(default=2000, ge=1, le=MOST_STEPS, description="number of training steps")
    stop: Literal["steps", "converged"] = Field(
        default="steps",
        description="'converged' ends earlier when the loss of no task has fallen, by two standard errors, over its "
        "last 20 chunks, weights being learnt",
    )
    points: Whole = Field(default=4, ge=1, le=1_000_000, description="points drawn from every component in a step")
    chunk: Whole | None = Field(
        default=None,
        ge=1,
        le=MOST_STEPS,
        description="steps between two meetings with the host; default: a hundredth of the training",
    )


class OptimizerSettings(_Section):
    """Any optimiser of optax, or the natural gradient."""

    name: str = Field(default="natural", description="'natural', or an optimiser of optax such as 'sgd' or 'adam'")
    learning_rate: Positive = Field(default=0.1, description="learning rate at the start")
    decay: Literal["constant", "cosine"] = Field(default="cosine", description="how the learning rate goes on")
    final: Share = Field(default=0.02, description="share of the learning rate that is left at the end")
    options: dict[str, Switch | Whole | Number | str] = Field(
        default_factory=dict, description="further arguments of the optimiser"
    )


class WeightSettings(_Section):
    """Weights are held equal while the sampler explores, and may be learnt afterwards."""

    learn: Switch = Field(default=True, description="whether weights are learnt at all")
    after: Share = Field(default=0.5, description="share of the training before they are learnt")


class QuadratureSettings(_Section):
    """Of marginal tasks that integrate out one coordinate, and of noised tasks in one and two dimensions."""

    nodes: Whole = Field(default=128, ge=8, le=4096, description="grid points for each integrated coordinate")
    extent: Positive = Field(default=4.0, description="half-width of the grid, in declared scales")


class ReservoirSettings(_Section):
    """Of all other marginal and noised tasks: points of the energy with importance weights, which they share."""

    capacity: Whole = Field(
        default=4096, ge=16, le=10_000_000, description="points that are kept, and evaluated before the first step"
    )
    refill: Whole = Field(
        default=512, ge=16, le=1_000_000, description="points that are evaluated before every further chunk"
    )
    resampled: Whole = Field(
        default=512, ge=16, le=1_000_000, description="points, drawn by their weights, that a step looks at"
    )


class ExplorationSettings(_Section):
    """How an adaptive training looks for modes."""

    tasks: tuple[EntrySpec, ...] = Field(
        default=EXPLORING,
        description="tasks that propose where to look, beside the joint one; a bandit learns which of them serve",
    )


class BudgetSettings(_Section):
    """Where a training ends at the latest. What it found until then is kept and measured."""

    evaluations: Whole | None = Field(
        default=None, ge=1, le=2**53, description="of the energy and its gradient together; default: no limit"
    )
    minutes: Positive | None = Field(default=None, description="of wall time, compilation included; default: no limit")


class DeviceSettings(_Section):
    """On how many devices a training computes."""

    count: Whole = Field(
        default=1, ge=1, le=65_536, description="devices of this machine, or of each process of a run, as --devices"
    )
    components: Whole = Field(
        default=1,
        ge=1,
        le=32,
        description="parts into which the components of a large mixture are divided among the devices, a power of two",
    )


class CheckpointSettings(_Section):
    """How often a training writes down where it stands, so that it can go on from there; whichever comes first.

    They are written between two units of work, such as a round of the search, and not in the middle of one.
    """

    minutes: Positive = Field(default=2.0, description="minutes between two checkpoints")
    steps: Whole | None = Field(
        default=None, ge=1, le=MOST_STEPS, description="training steps between two checkpoints; default: no such limit"
    )


class VerdictSettings(_Section):
    """Of the search for what the sampler misses."""

    evaluations: Whole | None = Field(
        default=None,
        ge=0,
        le=2**53,
        description="of the energy and its gradient that a verdict asks at most, 0 for no verdict; some 60,000 at "
        "least, more without a gradient; default: no limit, some 150,000 to 310,000",
    )


class CompareSettings(_Section):
    """Of `biglearn compare`."""

    baselines: tuple[EntrySpec, ...] = Field(
        default=("nuts", "ensemble_slice", "parallel_tempering", "tempered_smc"),
        description="methods to compare with, where --with names none",
    )
    reports: tuple[EntrySpec, ...] = Field(default=("page",), description="what is written about a comparison")


class EvaluationSettings(_Section):
    """Of the figures at the end."""

    draws: Whole = Field(
        default=16_000,
        ge=100,
        le=100_000_000,
        description="fresh draws from the trained sampler; a quarter as many come on top, with heavy tails",
    )


class Settings(_Section):
    """All settings of a run. The same defaults serve every target."""

    method: Literal["auto", "adaptive", "scheduled"] = Field(
        default="auto",
        description="'adaptive' finds out by itself how many components and steps a target needs; 'scheduled' makes a "
        "fixed number of steps on the tasks of a scheduler; 'auto': scheduled if a setting is given that only a "
        "scheduled training knows",
    )
    components: Whole | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="number of mixture components, 64 by default; of an adaptive training the largest number, by "
        "default a function of the dimension",
    )
    budget: BudgetSettings = BudgetSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    devices: DeviceSettings = DeviceSettings()
    exploration: ExplorationSettings = ExplorationSettings()
    channels: Literal["energy", "exact"] = Field(
        default="energy", description="'exact' lets tasks use the target's closed form, more than an energy gives"
    )
    coordinates: Literal["whitened", "raw"] = Field(
        default="whitened", description="'whitened' trains in units of the declared scale"
    )
    scheduler: EntrySpec = Field(
        default=ENERGY_ONLY,
        description="name of a scheduler, or a table with name and parameters; with channels = 'exact' the default "
        "has tasks of all families",
    )
    data: dict[str, str] = Field(
        default_factory=dict,
        description="where data lie that are not shipped, as in data.posteriordb=FOLDER; the target takes each as its "
        "parameter of that name",
    )
    start: StartSettings = StartSettings()
    training: TrainingSettings = TrainingSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    weights: WeightSettings = WeightSettings()
    quadrature: QuadratureSettings = QuadratureSettings()
    reservoir: ReservoirSettings = ReservoirSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    verdict: VerdictSettings = VerdictSettings()
    compare: CompareSettings = CompareSettings()
    metrics: tuple[EntrySpec, ...] = Field(
        default=("elbo", "log_z", "ess", "khat", "mode_coverage", "chain_diagnostics", "reference_moments"),
        description="metrics to compute at the end, of the sampler and of every baseline",
    )
    reports: tuple[EntrySpec, ...] = Field(
        default=("training_strip", "training_animation", "marginal_pairs", "training_curve", "reference_table"),
        description="figures to draw into the run folder",
    )
    requires: tuple[str, ...] = Field(
        default=(), description="distributions that must be installed, as in 'biglearn-lj>=0.2'"
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve_method(cls, values: Any) -> Any:
        """Say which method `auto` means, so that a record holds what was done."""
        if not isinstance(values, dict) or values.get("method", "auto") != "auto":
            return values
        return {**values, "method": "scheduled" if scheduled_keys(values) else "adaptive"}

    @model_validator(mode="before")
    @classmethod
    def _resolve_scheduler(cls, values: Any) -> Any:
        """Closed forms that are allowed are used, unless a scheduler is named."""
        if not isinstance(values, dict) or values.get("channels") != "exact":
            return values
        return {"scheduler": EXACT, **values}

    @property
    def scheduled_components(self) -> int:
        """Number of components of a scheduled training."""
        return self.components or SCHEDULED_COMPONENTS
