"""Bridges: other libraries' models as targets."""

from biglearn_sampler.bridges.numpyro import NumpyroTarget as NumpyroTarget
from biglearn_sampler.bridges.numpyro import from_numpyro as from_numpyro
