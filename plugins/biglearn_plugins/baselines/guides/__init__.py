"""Variational guides of NumPyro, trained on the target's own energy from the start region on."""

from biglearn_plugins.baselines.guides.flow import ENTRY as FLOW
from biglearn_plugins.baselines.guides.multivariate_normal import ENTRY as MULTIVARIATE_NORMAL
from biglearn_plugins.baselines.guides.stein import ENTRY as STEIN

ENTRIES = [MULTIVARIATE_NORMAL, FLOW, STEIN]
