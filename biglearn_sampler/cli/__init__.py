"""The command line: parse, call, print. Whatever it does can be done from Python."""

from biglearn_sampler.cli.app import main as main
from biglearn_sampler.cli.app import program as program
