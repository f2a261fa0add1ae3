"""The interface of a panel: the sampler beside the target at one time, drawn into given axes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from biglearn_sampler.mixture import GaussianMixture


class AbstractPanel(ABC):
    """What is the same at all times: the target, the view, the legend."""

    def draw(self, axes: Axes, sampler: GaussianMixture) -> None:
        """Draw target and sampler."""
        self.draw_target(axes)
        self.draw_sampler(axes, sampler)

    @abstractmethod
    def draw_target(self, axes: Axes) -> None:
        """Draw what is the same at all times, with limits and labels of the axes."""

    @abstractmethod
    def draw_sampler(self, axes: Axes, sampler: GaussianMixture) -> list[Artist]:
        """Draw the sampler over the target, and what has to lie above it; gives what was drawn."""

    @abstractmethod
    def legend(self) -> list[tuple[Any, str]]:
        """What the legend explains: artists with their texts."""
