"""The catalogue of plugins: what they offer, under which names, and what is wrong with them."""

from biglearn_sampler.catalogue.catalogue import Catalogue as Catalogue
from biglearn_sampler.catalogue.entry import Entry as Entry
from biglearn_sampler.catalogue.entry import Use as Use
from biglearn_sampler.catalogue.entry import use as use
from biglearn_sampler.catalogue.hookspecs import KINDS as KINDS
from biglearn_sampler.catalogue.hookspecs import OBSERVERS as OBSERVERS
from biglearn_sampler.catalogue.hookspecs import hookimpl as hookimpl
from biglearn_sampler.catalogue.offers import Offer as Offer
from biglearn_sampler.catalogue.parameters import Parameter as Parameter
from biglearn_sampler.catalogue.problems import PluginProblem as PluginProblem
from biglearn_sampler.catalogue.recipe import Recipe as Recipe
from biglearn_sampler.catalogue.records import MADE_IN_PYTHON as MADE_IN_PYTHON
from biglearn_sampler.catalogue.records import Built as Built
from biglearn_sampler.catalogue.records import EntryRecord as EntryRecord
from biglearn_sampler.catalogue.records import PluginRecord as PluginRecord
from biglearn_sampler.catalogue.records import spec_of as spec_of
from biglearn_sampler.catalogue.records import versions_of_plugins as versions_of_plugins
from biglearn_sampler.catalogue.records import without_versions as without_versions
