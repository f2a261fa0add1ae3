"""Runs: settings, plans, training with a record, folders, reports."""

from biglearn_sampler.runs import notebook as notebook  # registers what a notebook shows
from biglearn_sampler.runs.compare import compare as compare
from biglearn_sampler.runs.load import load as load
from biglearn_sampler.runs.load import load_comparison as load_comparison
from biglearn_sampler.runs.report import AbstractReport as AbstractReport
from biglearn_sampler.runs.resume import resume as resume
from biglearn_sampler.runs.run import Run as Run
from biglearn_sampler.runs.run import Snapshot as Snapshot
from biglearn_sampler.runs.save import save as save
from biglearn_sampler.runs.settings import Settings as Settings
from biglearn_sampler.runs.train import train as train
