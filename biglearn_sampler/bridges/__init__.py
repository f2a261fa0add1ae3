"""Bridges: other libraries' models as targets, and our samplers in their algorithms."""

from biglearn_sampler.bridges.jump_kernel import JumpKernel as JumpKernel
from biglearn_sampler.bridges.model_file import build_target as build_target
from biglearn_sampler.bridges.model_file import is_of_file as is_of_file
from biglearn_sampler.bridges.numpyro import from_numpyro as from_numpyro
from biglearn_sampler.bridges.numpyro_target import NumpyroTarget as NumpyroTarget
