"""The conformance suite: what every entry of every plugin must do, ours included, in three lines.

    from biglearn_sampler.testing import conformance

    test_problems, test_entries = conformance(plugin="lennard_jones")

It is an import and no pytest plugin, so that nobody's unrelated tests import JAX.
"""

from biglearn_sampler.testing.conformance import conformance as conformance
from biglearn_sampler.testing.fault import Fault as Fault
from biglearn_sampler.testing.fault import NotChecked as NotChecked
