"""Multi-path Pathfinder: normal laws along the paths of an optimiser, and Pareto-smoothed resampling of their draws."""

from biglearn_plugins.baselines.pathfinder.pathfinder import ENTRY as ENTRY
from biglearn_plugins.baselines.pathfinder.pathfinder import Pathfinder as Pathfinder
