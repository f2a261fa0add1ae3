"""GMMVI: natural-gradient variational inference with Gaussian mixtures, written from its description."""

from biglearn_plugins.baselines.gmmvi.gmmvi import ENTRY as ENTRY
from biglearn_plugins.baselines.gmmvi.gmmvi import Gmmvi as Gmmvi
