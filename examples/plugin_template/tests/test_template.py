from biglearn_sampler.testing import conformance

test_problems, test_entries = conformance(plugin="biglearn_template")
