"""The families of tasks of the paper, as entries of the catalogue."""

from __future__ import annotations

from typing import Annotated, Literal

from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import AbstractTransformation, Task

BIG_LEARNING = "Anonymous (2024), Big Cooperative Learning to Conquer Local Optima, eq. 6"

Map = Annotated[AbstractTransformation, "the law of the random map"]
Size = Annotated[int, "number of coordinates that are matched, at least 1 and below the dimension"]
Source = Annotated[
    Literal["sampler", "noised", "broad"],
    "where conditions come from: the sampler itself, the sampler with noise, or twice the declared region",
]


def joint(transformation: Map = use("identity")) -> Task:
    """All coordinates at once. Without noise the transformation changes nothing."""
    return Task("joint", "joint", transformation)


def marginal(size: Size = 1, transformation: Map = use("coordinate_subset")) -> Task:
    """A random subset of the coordinates."""
    return Task("marginal", "marginal", transformation, _checked(size))


def conditional(size: Size = 1, transformation: Map = use("coordinate_subset"), condition: Source = "sampler") -> Task:
    """A random subset of the coordinates given all others; exact for any energy."""
    return Task("conditional", "conditional", transformation, _checked(size), condition)


def transformed_marginal(size: Size = 1, transformation: Map = use("orthogonal")) -> Task:
    """The law of a random projection."""
    return Task("transformed_marginal", "marginal", transformation, _checked(size))


def transformed_conditional(
    size: Size = 1, transformation: Map = use("orthogonal"), condition: Source = "sampler"
) -> Task:
    """The law along random directions given all others; exact for any energy."""
    return Task("transformed_conditional", "conditional", transformation, _checked(size), condition)


def noised(transformation: Map = use("log_uniform_noise")) -> Task:
    """All coordinates at once, seen through noise."""
    return Task("noised", "joint", transformation)


def noised_marginal(
    size: Size = 1,
    transformation: Map = use("compose", parts=(use("orthogonal"), use("log_uniform_noise"))),
) -> Task:
    """The law of a random projection, seen through noise."""
    return Task("noised_marginal", "marginal", transformation, _checked(size))


def _checked(size: int) -> int:
    if size < 1:
        raise ValueError(f"`size` must be at least 1, got {size}")
    return size


ENTRIES = [
    Entry(name=build.__name__, build=build, summary=summary, reference=BIG_LEARNING)
    for build, summary in (
        (joint, "all coordinates at once"),
        (marginal, "a random subset of the coordinates"),
        (conditional, "a random subset of the coordinates given the others"),
        (transformed_marginal, "a random projection"),
        (transformed_conditional, "random directions given the others"),
        (noised, "all coordinates seen through noise"),
        (noised_marginal, "a random projection seen through noise"),
    )
]
