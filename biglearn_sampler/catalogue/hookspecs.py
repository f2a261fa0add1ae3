"""Every hook: one typed function, what it is for, and an example. A plugin marks its own with `hookimpl`.

Hooks that return entries are called once, when their kind is first asked for. So import what is heavy inside
the hook or inside `build`: a listing then stays quick. All plugins are asked, in the order of their names.
None can hide another: users choose by name, so that installing a plugin cannot change what a run means.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pluggy

from biglearn_sampler.catalogue.entry import Entry

if TYPE_CHECKING:
    import typer

PROJECT = "biglearn"

hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)

# The hook's name without its prefix is the plural of the kind; the command line accepts both.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "target": "biglearn_targets",
        "transformation": "biglearn_transformations",
        "task": "biglearn_tasks",
        "scheduler": "biglearn_schedulers",
        "baseline": "biglearn_baselines",
        "metric": "biglearn_metrics",
        "report": "biglearn_reports",
        "settings": "biglearn_settings",
    }
)

OBSERVERS = ("biglearn_run_started", "biglearn_chunk_finished", "biglearn_run_finished")


# ----------------------------------------------------------------------------------------------------
# What a plugin offers
# ----------------------------------------------------------------------------------------------------


@hookspec
def biglearn_targets() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Targets: energies to draw samples from. `build` returns an AbstractTarget.

    Example:

        def ring(radius: Annotated[float, "distance of the ring from the origin"] = 2.0):
            return Ring(radius)

        @hookimpl
        def biglearn_targets():
            return [Entry(name="ring", build=ring, summary="one ring in two dimensions")]
    """


@hookspec
def biglearn_transformations() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Transformations: the maps that make a task look at the target differently. `build` returns an
    AbstractTransformation.

    Example:

        def rotation(angle: Annotated[float, "largest angle, in radians"] = 3.14):
            return Rotation(angle)

        @hookimpl
        def biglearn_transformations():
            return [Entry(name="rotation", build=rotation, summary="a random rotation")]
    """


@hookspec
def biglearn_tasks() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Tasks: what is matched, under which map. `build` returns a Task.

    Example:

        def joint(transformation: Annotated[AbstractTransformation, "the map"] = use("identity")):
            return Task("joint", "joint", transformation)

        @hookimpl
        def biglearn_tasks():
            return [Entry(name="joint", build=joint, summary="all coordinates at once")]
    """


@hookspec
def biglearn_schedulers() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Schedulers: which task is trained at each step. `build` returns an AbstractScheduler.

    Example:

        def always_joint(weight: Annotated[float, "weight of the loss"] = 1.0):
            return AlwaysJoint(weight)

        @hookimpl
        def biglearn_schedulers():
            return [Entry(name="always_joint", build=always_joint, summary="the joint task at every step")]
    """


@hookspec
def biglearn_baselines() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Baselines: samplers to compare with. `build` returns an AbstractBaseline.

    Example:

        def random_walk(step_size: Annotated[float, "standard deviation of a proposal"] = 0.1):
            return RandomWalk(step_size)

        @hookimpl
        def biglearn_baselines():
            return [Entry(name="random_walk", build=random_walk, summary="random-walk Metropolis")]
    """


@hookspec
def biglearn_metrics() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Metrics: numbers that say how good samples are. `build` returns an AbstractMetric.

    Example:

        def mean_error(norm: Annotated[Literal["l1", "l2"], "norm of the difference"] = "l2"):
            return MeanError(norm)

        @hookimpl
        def biglearn_metrics():
            return [Entry(name="mean_error", build=mean_error, summary="distance between the means")]
    """


@hookspec
def biglearn_reports() -> Iterable[Entry[Any]]:  # pyright: ignore[reportReturnType]
    """Reports: documents and figures made from run folders. `build` returns an AbstractReport.

    Example:

        def page(title: Annotated[str, "heading of the page"] = "Runs"):
            return Page(title)

        @hookimpl
        def biglearn_reports():
            return [Entry(name="page", build=page, summary="one HTML page")]
    """


@hookspec
def biglearn_settings() -> Iterable[Entry[Mapping[str, Any]]]:  # pyright: ignore[reportReturnType]
    """Presets: settings of a run under a name. `build` returns a mapping of settings.

    Example:

        def quick(steps: Annotated[int, "training steps"] = 200):
            return {"steps": steps}

        @hookimpl
        def biglearn_settings():
            return [Entry(name="quick", build=quick, summary="a first look in seconds")]
    """


# ----------------------------------------------------------------------------------------------------
# What a plugin adds to the command line
# ----------------------------------------------------------------------------------------------------


@hookspec
def biglearn_commands(commands: typer.Typer) -> None:
    """Sub-commands of `biglearn`. Called each time that the command line starts, so import lightly.

    Arguments:
        commands: a Typer of the plugin's own; what is registered there appears beside the built-in commands.

    Example:

        @hookimpl
        def biglearn_commands(commands):
            @commands.command()
            def hello(name: str) -> None:
                \"\"\"Greet somebody.\"\"\"
                print(f"Hello, {name}")
    """


# ----------------------------------------------------------------------------------------------------
# What a plugin is told during a run. Called on the host, between chunks of compiled steps; an implementation
# takes only the arguments that it wants. An error is reported, and the run goes on.
# ----------------------------------------------------------------------------------------------------


@hookspec
def biglearn_run_started(run: Any) -> None:
    """A run is about to train.

    Arguments:
        run: the run, with its settings and its folder.

    Example:

        @hookimpl
        def biglearn_run_started(run):
            print(f"training into {run.folder}")
    """


@hookspec
def biglearn_chunk_finished(run: Any, step: int, info: Any) -> None:
    """A chunk of training steps came back to the host.

    Arguments:
        run: the run, with its settings and its folder.
        step: number of training steps done so far.
        info: what the steps of this chunk reported.

    Example:

        @hookimpl
        def biglearn_chunk_finished(step, info):
            print(step, info)
    """


@hookspec
def biglearn_run_finished(run: Any) -> None:
    """A run has ended, and its folder is written.

    Arguments:
        run: the run, with its settings and its folder.

    Example:

        @hookimpl
        def biglearn_run_finished(run):
            print(f"see {run.folder}")
    """


# Every hook, with the arguments that it offers.
HOOKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        specification.__name__: tuple(inspect.signature(specification).parameters)
        for specification in (
            biglearn_targets,
            biglearn_transformations,
            biglearn_tasks,
            biglearn_schedulers,
            biglearn_baselines,
            biglearn_metrics,
            biglearn_reports,
            biglearn_settings,
            biglearn_commands,
            biglearn_run_started,
            biglearn_chunk_finished,
            biglearn_run_finished,
        )
    }
)
