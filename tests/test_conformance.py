"""Every built-in plugin passes the suite that authors of plugins have, found as theirs are: in the catalogue."""

from biglearn_sampler.catalogue import KINDS, Catalogue
from biglearn_sampler.testing import conformance

CATALOGUE = Catalogue(only=["biglearn-sampler"])
BUILT_IN = [record.name for record in CATALOGUE.plugins]

# Enough iterations for means and variances of a Gaussian; enough points for every path of a distance.
SHORTER = {
    "biglearn_baselines": {
        "nuts": {"warmup": 200, "draws": 400, "max_tree_depth": 4},
        "hmc": {"chains": 4, "warmup": 200, "draws": 400, "steps": 4},
        "barker": {"chains": 4, "warmup": 300, "draws": 1000},
        "sa": {"chains": 4, "warmup": 1000, "draws": 2000, "points": 20},
        "aies": {"walkers": 16, "warmup": 200, "draws": 500},
        "ensemble_slice": {"walkers": 16, "warmup": 50, "draws": 100},
        "parallel_tempering": {"chains": 2, "rungs": 4, "warmup": 200, "draws": 500},
        "gmmvi": {"samples": 100, "iterations": 40},
        "tempered_smc": {"particles": 400, "length": 3, "leapfrogs": 3},
        "multivariate_normal_guide": {"samples": 20, "steps": 1000},
        "flow_guide": {"layers": 2, "width": 8, "samples": 20, "steps": 1000},
        "stein_vi": {"particles": 3, "steps": 1000},
    },
    "biglearn_metrics": {
        "w2": {"points": 100},
        "sliced_w2": {"directions": 10},
        "mmd": {"points": 200},
    },
}

# The three lines of an author, once for each plugin.
for plugin in BUILT_IN:
    tests = conformance(plugin=plugin, catalogue=CATALOGUE, parameters=SHORTER.get(plugin, {}))
    globals()[f"test_problems_of_{plugin}"], globals()[f"test_entries_of_{plugin}"] = tests


def test_every_kind_has_a_built_in_plugin():
    assert {kind for record in CATALOGUE.plugins for kind in record.offers} == set(KINDS)
