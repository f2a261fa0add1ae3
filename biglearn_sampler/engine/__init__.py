"""The adaptive training: from energies alone to a mixture that covers every mode."""

from biglearn_sampler.engine.account import Account as Account
from biglearn_sampler.engine.account import Budget as Budget
from biglearn_sampler.engine.engine import Engine as Engine
from biglearn_sampler.engine.engine import compiled_for as compiled_for
from biglearn_sampler.engine.progress import EngineProgress as EngineProgress
from biglearn_sampler.engine.proposals import kinds_of_proposals as kinds_of_proposals
from biglearn_sampler.engine.rules import Rules as Rules
from biglearn_sampler.engine.state import EngineState as EngineState
from biglearn_sampler.engine.state import Outcome as Outcome
from biglearn_sampler.engine.stepper import Stepper as Stepper
