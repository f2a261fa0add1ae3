"""Values of declared types in files that are refused when a single bit of them is wrong."""

from biglearn_sampler.checkpoints.checkpoint_files import CheckpointFiles as CheckpointFiles
from biglearn_sampler.checkpoints.sealed import Refused as Refused
