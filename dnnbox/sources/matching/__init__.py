"""From a state dict and a source tree to ways of building the model, read from the source without importing it.

========  ====================================================================================
reading   files → syntax trees, examples in documents, configurations; ``commands``: options of command lines
classes   what each module class holds by name; ``external``: what library classes hold
ranking   which class explains the names of a state dict
values    what an expression may be worth; ``bindings``: what names are bound to; ``lookups``: by a text;
          ``plain``: values as JSON
recipes   how the source itself builds a class; ``builders``: functions that return a library's model
settings  options, configurations, words that arguments are compared with; ``levels``: settings of settings
naming    the quick part: which classes may be meant
writing   a match → the recipe that the adapter is written from; ``skeletons``: where nothing is sure
plan      all of it as JSON, for the search in the box (``dnnbox/harness/matching``)
========  ====================================================================================
"""

from __future__ import annotations

from dnnbox.sources.matching.naming import named
from dnnbox.sources.matching.plan import search_plan
from dnnbox.sources.matching.skeletons import evidence, nearest_classes, ranked, skeleton, unanswered
from dnnbox.sources.matching.writing import recipe_of

__all__ = ["evidence", "named", "nearest_classes", "ranked", "recipe_of", "search_plan", "skeleton", "unanswered"]
