"""Targets: unnormalised log densities, what is declared about them, and what is known for metrics only."""

from biglearn_sampler.energy import notebook as notebook  # registers what a notebook shows
from biglearn_sampler.energy.combined import affine as affine
from biglearn_sampler.energy.combined import mixture_of as mixture_of
from biglearn_sampler.energy.combined import product as product
from biglearn_sampler.energy.combined import tempered as tempered
from biglearn_sampler.energy.evaluations import Evaluations as Evaluations
from biglearn_sampler.energy.facts import UNKNOWN as UNKNOWN
from biglearn_sampler.energy.facts import Facts as Facts
from biglearn_sampler.energy.facts import ReferenceMoments as ReferenceMoments
from biglearn_sampler.energy.function_target import FunctionTarget as FunctionTarget
from biglearn_sampler.energy.function_target import function_target as function_target
from biglearn_sampler.energy.host_target import HostTarget as HostTarget
from biglearn_sampler.energy.host_target import from_numpy as from_numpy
from biglearn_sampler.energy.mixture_target import MixtureTarget as MixtureTarget
from biglearn_sampler.energy.origin import origin_of as origin_of
from biglearn_sampler.energy.passing import split_arrays as split_arrays
from biglearn_sampler.energy.probe import Look as Look
from biglearn_sampler.energy.probe import look as look
from biglearn_sampler.energy.probe import probe as probe
from biglearn_sampler.energy.probe import probe_evaluations as probe_evaluations
from biglearn_sampler.energy.region import declared_region as declared_region
from biglearn_sampler.energy.target import AbstractTarget as AbstractTarget
from biglearn_sampler.energy.whitened import Whitened as Whitened
