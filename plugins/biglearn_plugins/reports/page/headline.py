"""The first screen: the target, the verdict on our sampler, and what every method did in one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biglearn_plugins.reports.page.columns import EVALUATIONS, LOG_Z_ERROR, MASS, MODES, WEIGHTS, Column
from biglearn_plugins.reports.page.markup import Markup, element, joined
from biglearn_plugins.reports.page.numbers_as_text import counted
from biglearn_sampler.comparison import OURS, Comparison
from biglearn_sampler.comparison.sentences import sentences_of, verdicts_of

# The worst first: one seed that misses mass is what a reader has to know.
SIGNS = {"not covered": "\N{BALLOT X}", "cannot tell": "?", "covered": "\N{CHECK MARK}"}
NO_VERDICT = "no verdict"
KEY_FIGURES = (MODES, MASS, LOG_Z_ERROR, WEIGHTS, EVALUATIONS)


def headline(comparison: Comparison) -> Markup:
    """Title, verdict, key figures and sentences."""
    title = element("h1", short_name(comparison))
    about = element("p", _about(comparison), class_="about")
    return element("header", element("p", "Comparison on the target", class_="eyebrow"), title, about)


def verdict_box(comparison: Comparison) -> Markup:
    """The verdict by colour, sign and word; the evidence in a sentence; the key figures."""
    word = worst_verdict(comparison)
    name = element(
        "p", element("span", SIGNS.get(word, "?"), class_="sign", aria_hidden="true"), _capital(word), class_="word"
    )
    heading = element("h2", "The verdict on our sampler", id="verdict-heading")
    told = element("p", _because(comparison, word), class_="because")
    return element(
        "section",
        heading,
        name,
        told,
        _key_figures(comparison),
        class_=f"verdict {word.replace(' ', '-')}",
        id="verdict",
        aria_labelledby="verdict-heading",
    )


def in_words(comparison: Comparison) -> Markup:
    """All sentences as a list."""
    return element("ul", *(element("li", sentence) for sentence in sentences_of(comparison)), class_="sentences")


def worst_verdict(comparison: Comparison) -> str:
    """The worst verdict on any seed, or that there is none."""
    given = verdicts_of(comparison)
    unknown = next((word for word in given if word not in SIGNS), NO_VERDICT)
    return next((word for word in SIGNS if given[word]), unknown)


def short_name(comparison: Comparison) -> str:
    """The name of the target without that of its plugin."""
    return comparison.name.rpartition(":")[2] or comparison.name


def _because(comparison: Comparison, word: str) -> Markup:
    given = verdicts_of(comparison)
    if not given:
        return joined(_why_none(comparison))
    trials = comparison.finished(OURS)
    found = (trial.figures.get("verdict") for trial in trials)
    told = next(
        str(each.get("sentence", "")) for each in found if isinstance(each, Mapping) and each.get("verdict") == word
    )
    # The word stands above already.
    sentence = told.partition(": ")[2] or told
    return joined(_capital(sentence), " ", element("span", f"Given on {_share(given, word)}.", class_="muted"))


def _share(given: Mapping[str, Any], word: str) -> str:
    total = sum(given.values())
    return "the only seed" if total == 1 else f"{given[word]} of {total} seeds"


def _why_none(comparison: Comparison) -> str:
    if OURS not in comparison.methods:
        return "Our sampler is not among the methods."
    if not comparison.finished(OURS):
        return "Our sampler finished on no seed."
    return "The runs of our sampler have no verdict on record."


def _key_figures(comparison: Comparison) -> Markup | None:
    shown = [_key_figure(comparison, column) for column in KEY_FIGURES]
    found = [each for each in shown if each is not None]
    return element("dl", *found, class_="figures") if found else None


def _key_figure(comparison: Comparison, column: Column) -> Markup | None:
    each = comparison.figure(OURS, column.figure)
    if each is None:
        return None
    total = comparison.figure(OURS, column.out_of) if column.out_of else None
    behind = f" of {column.plain(total.most)}" if total else ""
    floor = comparison.figure(OURS, column.floor) if column.floor else None
    beside = element("small", f"exact draws: {column.plain(floor.mean)}") if floor else None
    return element("div", element("dt", column.heading), element("dd", column.mean(each) + behind, beside))


def _about(comparison: Comparison) -> str:
    facts = comparison.target.facts
    parts = [counted(comparison.target.dim, "dimension")]
    parts.append("modes unknown" if facts.modes is None else counted(len(facts.modes), "known mode"))
    parts.append("log Z known" if facts.log_z is not None else "log Z unknown")
    parts.append("exact draws known" if facts.sample is not None else "no exact draws")
    return f"{_capital(', '.join(parts))}. {_effort(comparison)}"


def _effort(comparison: Comparison) -> str:
    seeds = {trial.seed for trial in comparison.trials}
    methods = counted(len(comparison.methods), "method")
    allowed = "" if comparison.budget is None else f", at most {comparison.budget:,} evaluations for each trial"
    return f"{_capital(methods)}, {counted(len(seeds), 'seed')}{allowed}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
