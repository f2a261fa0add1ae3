"""The first screen: the target, the verdict on our sampler, and what every method did in one sentence each."""

from __future__ import annotations

from collections.abc import Mapping

from biglearn_plugins.reports.page.columns import EVALUATIONS, LOG_Z_ERROR, MASS, MODES, WEIGHTS, Column
from biglearn_plugins.reports.page.markup import Markup, element, joined
from biglearn_plugins.reports.page.numbers_as_text import counted
from biglearn_sampler.comparison import OURS, Comparison
from biglearn_sampler.comparison.sentences import sentences_of

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
    """The worst verdict on any trial, or that there is none."""
    given = [word for _, word, _ in _verdicts(comparison)]
    return next((word for word in SIGNS if word in given), given[0] if given else NO_VERDICT)


def short_name(comparison: Comparison) -> str:
    """The name of the target without that of its plugin."""
    return comparison.name.rpartition(":")[2] or comparison.name


def _verdicts(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Method, verdict and its sentence of every trial that has one; runs of ours may go by other names."""
    trials = [trial for method in comparison.methods for trial in comparison.finished(method)]
    found = ((trial.method, trial.figures.get("verdict")) for trial in trials)
    return [
        (method, str(told["verdict"]), str(told.get("sentence", "")))
        for method, told in found
        if isinstance(told, Mapping) and "verdict" in told
    ]


def _because(comparison: Comparison, word: str) -> Markup:
    given = _verdicts(comparison)
    if not given:
        return joined(_why_none(comparison))
    alike = [sentence for _, each, sentence in given if each == word]
    # The word stands above already.
    sentence = _capital(alike[0].partition(": ")[2] or alike[0])
    share = "the only trial" if len(given) == 1 else f"{len(alike)} of {len(given)} trials"
    return joined(sentence, " ", element("span", f"Given on {share}.", class_="muted"))


def _why_none(comparison: Comparison) -> str:
    if OURS not in comparison.methods:
        return "Our sampler has no trial yet." if is_incomplete(comparison) else "Our sampler is not among the methods."
    if not comparison.finished(OURS):
        return "Our sampler finished on no seed."
    return "The runs of our sampler have no verdict on record."


def _key_figures(comparison: Comparison) -> Markup | None:
    """Of the one method that was judged; several have their rows in the table."""
    judged = {method for method, *_ in _verdicts(comparison)} or {OURS}
    if len(judged) > 1:
        return None
    (method,) = judged
    shown = (_key_figure(comparison, method, column) for column in KEY_FIGURES)
    found = [each for each in shown if each is not None]
    return element("dl", *found, class_="figures") if found else None


def _key_figure(comparison: Comparison, method: str, column: Column) -> Markup | None:
    each = comparison.figure(method, column.figure)
    if each is None:
        return None
    total = comparison.figure(method, column.out_of) if column.out_of else None
    behind = f" of {column.plain(total.most)}" if total else ""
    floor = comparison.figure(method, column.floor) if column.floor else None
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
    allowed = "" if comparison.budget is None else f", at most about {comparison.budget:,} evaluations for each trial"
    return f"{_capital(methods)}, {counted(len(seeds), 'seed')}{allowed}.{_left_out(comparison)}"


def is_incomplete(comparison: Comparison) -> bool:
    """Whether trials may be missing: it was interrupted or killed, or is being made."""
    return comparison.record.get("status") in ("interrupted", "running")


def _left_out(comparison: Comparison) -> str:
    """What a comparison that is not finished does not have yet."""
    record = comparison.record
    if not is_incomplete(comparison):
        return ""
    wanted = (1 + len(record["methods"])) * len(record["seeds"])
    state = "Interrupted" if record["status"] == "interrupted" else "Not finished"
    return f" {state}, with {len(comparison.trials)} of {counted(wanted, 'trial')} done."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
