"""The interface of a panel: the sampler beside the target at one time, drawn into given axes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from matplotlib.axes import Axes

from biglearn_sampler.mixture import GaussianMixture


class AbstractPanel(ABC):
    """What is the same at all times: the target, the view, the legend."""

    @abstractmethod
    def draw(self, axes: Axes, sampler: GaussianMixture) -> None:
        """Draw target and sampler, with limits and labels of the axes."""

    @abstractmethod
    def legend(self) -> list[tuple[Any, str]]:
        """What the legend explains: artists with their texts."""
