"""The page about a comparison: what it says, that it escapes, and that a browser opens it without a complaint."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html import unescape
from typing import Any
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.reports.page.citations import citations
from biglearn_plugins.reports.page.coverage_path import path_of
from biglearn_plugins.reports.page.coverage_pictures import coverage_with_legend
from biglearn_plugins.reports.page.document import document
from biglearn_plugins.reports.page.looks import looks_of
from biglearn_plugins.reports.page.markup import element, escaped
from biglearn_plugins.reports.page.method_table import missing_reason
from biglearn_plugins.reports.page.numbers_as_text import number, short_count, span, with_error
from biglearn_plugins.reports.page.page import Page
from biglearn_plugins.reports.page.picture_sections import PICTURE_SECTIONS
from biglearn_sampler.comparison import Comparison, CoveragePoint, Trial
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, function_target
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.mixture import GaussianMixture

EVIL = "<script>alert(1)</script>"
COSTS = {"energy_evaluations": 100, "gradient_evaluations": 61_900, "seconds_compile": 3.5, "seconds_run": 1.25}
NO_DENSITY = "the method has no density of its own"


def known(dim: int, modes: int = 3) -> AbstractTarget:
    means = 3.0 * np.random.default_rng(0).normal(size=(modes, dim))
    return MixtureTarget.of(
        GaussianMixture.of(means, 0.2, np.arange(1.0, modes + 1) / sum(range(modes + 1))), scale=4.0
    )


def unknown(dim: int) -> AbstractTarget:
    return function_target(lambda x: -0.5 * jnp.sum(x**2), dim=dim, scale=3.0)


def draws_on(target: AbstractTarget, seed: int, shift: float = 0.0, **more: Any) -> Draws:
    sampler = target.facts.sample or (lambda key, count: jax.random.normal(key, (count, target.dim)))
    points = np.asarray(sampler(jax.random.key(seed), 400), float) + shift
    return Draws(points, np.asarray(jax.vmap(target.log_density)(jnp.asarray(points)), float), **more)


def figures(covered: int, variation: float, **more: Any) -> dict[str, Any]:
    masses = {"modes_covered": covered, "modes_total": 3, "mode_mass_tv": variation, "mode_mass_tv_floor": 0.021}
    return {**masses, "log_z_error": -variation, "ess": None, "reasons": {"ess": NO_DENSITY}, **COSTS, **more}


def verdict(word: str) -> dict[str, Any]:
    return {"verdict": word, "sentence": f"{word.capitalize()}: told with evidence."}


def curve(*points: tuple[int, int, float]) -> list[CoveragePoint]:
    return [CoveragePoint(*point) for point in points]


def rich(dim: int = 2) -> Comparison:
    """Several seeds and methods; chains, weights, a failure on one seed and one on all."""
    target = known(dim)
    weights = np.linspace(1.0, 2.0, 400) / np.linspace(1.0, 2.0, 400).sum()
    path = [curve((1000, 1, 0.6), (9000, 3, 0.01 * seed)) for seed in (1, 2)]
    chains = {"rhat_max": 1.3, "gradient_evaluations": 300_000}
    trials = [
        Trial("biglearn", 0, figures(3, 0.012, ess=0.99, verdict=verdict("covered")), path[0], draws_on(target, 0)),
        Trial("biglearn", 1, figures(3, 0.018, ess=0.97, verdict=verdict("covered")), path[1], draws_on(target, 1)),
        Trial("nuts", 0, figures(1, 0.8, **chains), path[0], draws_on(target, 2, 0.5, chains=4)),
        Trial("nuts", 1, {}, failed="it broke & burnt"),
        Trial("smc", 0, figures(3, 0.05), curve((90_000, 3, 0.05)), draws_on(target, 3, weights=weights)),
        Trial(EVIL, 0, {}, failed=f"a reason of {EVIL}"),
    ]
    entry = {"kind": "baseline", "name": "a:nuts", "parameters": {"note": EVIL}, "reference": f"{EVIL} (2014)"}
    record = {
        "budget": 300_000,
        "seeds": [0, 1],
        "entries": [entry],
        "command": ["/some/bin/biglearn", "compare", "--with", "nuts(chains=8)", EVIL],
        "settings": {"a": 1},
    }
    return Comparison(target, "biglearn_targets:three", trials, record)


def bare(target: AbstractTarget, **figures: Any) -> Comparison:
    """As little as a comparison can hold."""
    costs = {"energy_evaluations": 1, "gradient_evaluations": 2}
    return Comparison(target, "bare", [Trial("biglearn", 0, {**costs, **figures})], {})


def text_of(page: str) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def images_of(page: str) -> list[tuple[str, str]]:
    """Alternative texts and SVG sources."""
    found = []
    for tag in re.findall(r"<img [^>]*>", page):
        alt, source = (re.search(rf'{name}="([^"]*)"', tag) for name in ("alt", "src"))
        assert alt and source and source[1].startswith("data:image/svg+xml;base64,")
        found.append((unescape(alt[1]), base64.b64decode(source[1].partition(",")[2]).decode()))
    return found


@pytest.fixture(scope="module")
def page() -> str:
    return document(rich())


def test_the_page_says_target_verdict_and_figures(page):
    text = text_of(page)
    assert page.startswith("<!doctype html>")
    assert "three" in text and "Covered" in text and "Told with evidence. Given on 2 of 2 trials." in text
    assert "0.015 ± 0.003" in text and "0.012 to 0.018" in text and "exact draws: 0.021" in text
    assert "98.0 ± 1.0 %" in text and "62,000" in text and "1.30" in text
    assert f'<abbr title="{NO_DENSITY}">' in page and 'title="it broke &amp; burnt"' in page
    assert "1 of 2" in text and "0 of 1" in text
    # A chain ends with its step, beyond the budget by less than one.
    assert "at most about 300,000 evaluations for each trial" in text
    assert f"<strong>nuts</strong>, ESS of weights: {NO_DENSITY}." in page
    assert "biglearn compare --with 'nuts(chains=8)'" in text and "/some/bin" not in text


def test_legends_have_what_the_pictures_show():
    comparison = rich()
    trials = [*comparison.trials, Trial("bare", 0, figures(1, 0.5))]
    page = document(Comparison(comparison.target, "it", trials, comparison.record))
    for part in ("coverage", "energies"):
        listed = text_of(page.split(f'<section id="{part}"')[1].split("</ul>")[0])
        assert "nuts" in listed and "bare" not in listed


@pytest.mark.parametrize(
    ("target", "failed", "told"),
    [
        (unknown(1), None, "The modes of this target are not known: neither their coverage nor their masses can"),
        (known(1), "it broke", "No trial is finished: neither the coverage of modes nor their masses can be had."),
        (known(1), None, "No finished trial has the coverage of modes on record."),
    ],
    ids=["unknown", "unfinished", "other"],
)
def test_a_page_without_curves_says_why(target, failed, told):
    (coverage,) = [section for section in PICTURE_SECTIONS if section.anchor == "coverage"]
    comparison = Comparison(target, "it", [Trial("nuts", 0, {}, failed=failed)], {})
    assert told in text_of(str(coverage.markup(comparison, looks_of(comparison))))


def test_the_order_of_the_sections(page):
    parts = ["verdict", "table", "coverage", "samples", "masses", "energies", "timings", "details"]
    places = [page.index(f'<section class="verdict covered" id="{parts[0]}"')]
    places += [page.index(f'<section id="{part}"') for part in parts[1:]]
    assert places == sorted(places)


def test_whatever_comes_from_plugins_is_escaped(page):
    assert EVIL not in page and escaped(EVIL) in page
    assert page.count("<script") == 1
    for _, svg in images_of(page):
        assert EVIL not in svg
    assert element("td", EVIL, title='"') == f'<td title="&quot;">{escaped(EVIL)}</td>'


def test_pictures_tell_numbers_and_follow_the_theme(page):
    images = images_of(page)
    assert len(images) == 2 + 3 + 3 + 1 + 1
    for alt, svg in images:
        assert len(alt) > 40 and re.search(r"\d", alt)
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "prefers-color-scheme:dark" in svg and "var(--ink)" in svg and "DejaVu" not in svg
    assert "nuts: 3 (seeds from 3 to 3) after 9 k" in images[0][0]
    assert re.search(r"nuts: compile 3.5 s, run 1.[23] s", images[-1][0]) and "verdict" not in images[-1][0]


def test_the_same_comparison_is_the_same_page(page):
    assert document(rich()) == page


def test_the_page_is_written_beside_the_results(tmp_path):
    assert Page().write_comparison(bare(unknown(1)), tmp_path) == [tmp_path / "report.html"]
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


@pytest.mark.parametrize("dim", [pytest.param(1, marks=pytest.mark.slow), 2, 3])
@pytest.mark.parametrize("target", [known, unknown])
def test_any_target_with_and_without_draws(target, dim):
    trial = Trial("biglearn", 0, dict(COSTS), (), draws_on(target(dim), 0))
    with_draws = Comparison(target(dim), "it", [trial], {})
    for comparison, images in ((bare(target(dim)), 0), (with_draws, 4 if target is known else 3)):
        page = document(comparison)
        assert len(images_of(page)) == images
        assert "could not be drawn" not in page and "No verdict" in text_of(page)


def test_an_interrupted_comparison_says_what_it_lacks():
    whole = bare(known(2))
    record = {"status": "interrupted", "methods": {"nuts": None, "hmc": None}, "seeds": [0, 1]}
    assert "Interrupted" not in text_of(document(whole))
    assert "Interrupted, with 1 of 6 trials done." in text_of(document(replace(whole, record=record)))
    assert "Our sampler has no trial yet." in text_of(document(replace(whole, trials=[], record=record)))


@pytest.mark.slow
def test_many_modes_become_one_picture():
    target = known(2, modes=60)
    trials = [Trial("biglearn", 0, dict(COSTS), (), draws_on(target, 0))]
    told = [alt for alt, _ in images_of(document(Comparison(target, "sixty", trials, {}))) if "60 modes" in alt]
    assert len(told) == 1 and "biglearn:" in told[0]
    page = document(Comparison(target, "sixty", trials, {}))
    (svg,) = [svg for alt, svg in images_of(page) if "60 modes" in alt]
    assert "mathdefault" not in svg
    assert "Bars, and whiskers" not in text_of(page) and "divided by its true mass" in text_of(page)
    (masses,) = re.findall(r'<section id="masses".*?</section>', page, flags=re.DOTALL)
    assert 'class="swatch"' in masses


def test_no_two_methods_look_the_same():
    trials = [Trial(f"method {number}", 0, dict(COSTS)) for number in range(25)]
    looks = looks_of(Comparison(known(2), "many", trials, {}))
    assert len({(look.colour, look.dashes) for look in looks.values()}) == len(looks) == 26


@pytest.mark.parametrize("dim", [1, 2])
def test_a_mode_outside_the_declared_region_is_in_view(dim: int):
    """Where nobody knows the target's mass, the draws of our sampler tell where to look; a lost chain does not."""
    place = jnp.array([9.0, 0.0])[:dim]
    target = function_target(
        lambda x: jnp.logaddexp(-0.5 * jnp.sum(x**2), -0.5 * jnp.sum((x - place) ** 2)), dim=dim, scale=2.0
    )
    near, both, lost = (np.random.default_rng(0).normal(size=(400, dim)) for _ in range(3))
    both[::2] += np.asarray(place)
    draws = {"biglearn": both, "nuts": near, "lost": 1e4 + lost}
    trials = [Trial(name, 0, dict(COSTS), (), Draws(points, np.zeros(400))) for name, points in draws.items()]
    page = document(Comparison(target, "far", trials, {}))
    alts = {name: next(alt for alt, _ in images_of(page) if f"draws of {name} on" in alt) for name in draws}
    shares = {name: float(re.search(r"([\d.]+)% of them by weight in view", alt)[1]) for name, alt in alts.items()}  # pyright: ignore[reportOptionalSubscript]
    assert shares["biglearn"] > 98.0 and shares["nuts"] == 100.0 and shares["lost"] == 0.0
    assert "seed 0, 100% of its draws outside" in text_of(page)
    assert ("ticks are known modes" in text_of(page)) == (dim == 1)


def test_the_time_of_the_verdict_is_told():
    trials = [Trial("biglearn", 0, {**COSTS, "seconds_verdict": 12.0}), Trial("nuts", 0, dict(COSTS))]
    told, _ = images_of(document(Comparison(known(2), "timed", trials, {})))[-1]
    assert re.search(r"biglearn: compile [\d.]+ s, run [\d.]+ s, verdict 12.0 s; nuts", told)


def test_a_picture_on_white_ground_follows_no_theme():
    drawn = coverage_with_legend(rich(), looks_of(rich()))
    assert drawn is not None and "prefers-color-scheme" in drawn.svg
    assert "prefers-color-scheme" not in drawn.on_white() and "background:#ffffff" in drawn.on_white()


def test_a_picture_that_fails_costs_a_sentence():
    comparison = rich()
    broken = Draws(np.zeros((4, 7)), np.zeros(4))
    trials = [*comparison.trials, Trial("odd", 0, figures(1, 0.5), (), broken)]
    text = text_of(document(Comparison(comparison.target, "it", trials, comparison.record)))
    assert "These pictures could not be drawn" in text and "Told with evidence" in text


@pytest.mark.parametrize("seeds", [3, 7, 10])
@pytest.mark.slow
def test_seeds_that_end_alike_can_be_drawn(seeds):
    """The mean of equal numbers may lie a rounding beside them."""
    target = rich().target
    for off in (1e-3, 0.5, 0.2999999999999998):
        trials = [Trial("biglearn", seed, figures(1, off), curve((10, 1, 0.5), (100, 1, off))) for seed in range(seeds)]
        assert "These pictures could not be drawn" not in text_of(document(Comparison(target, "it", trials, {})))


@pytest.mark.parametrize(
    ("status", "word"),
    [("interrupted", "Interrupted"), pytest.param("running", "Not finished", marks=pytest.mark.slow)],
)
def test_a_comparison_that_is_not_finished_says_so(status: str, word: str):
    """Also one that was killed, or is still being made."""
    whole = rich()
    record = {**whole.record, "status": status, "methods": {"nuts": None, "smc": None}, "seeds": [0, 1]}
    begun = text_of(document(Comparison(whole.target, "it", whole.trials[:1], record)))
    assert f"{word}, with 1 of 6 trials done." in begun
    nothing = text_of(document(Comparison(whole.target, "it", [], record)))
    assert "Our sampler has no trial yet." in nothing and "No trial is finished: neither" in nothing
    done = text_of(document(Comparison(whole.target, "it", whole.trials[:1], {**record, "status": "finished"})))
    assert word not in done


def test_what_one_seed_failed_of_is_no_reason_for_the_figures_of_others():
    costs = {**COSTS, "reasons": {"ess": "it has no density"}}
    trials = [Trial("nuts", 0, {}, failed="it exploded"), Trial("nuts", 1, costs)]
    comparison = Comparison(rich().target, "it", trials, {})
    assert missing_reason(comparison, "nuts", "ess") == "it has no density"
    assert missing_reason(comparison, "nuts", "elbo") != "it exploded"
    assert missing_reason(Comparison(rich().target, "it", trials[:1], {}), "nuts", "ess") == "it exploded"


def test_commands_of_several_runs_stand_with_their_labels():
    record = {"command": {"a, seed 0": ["biglearn", "train", "a b"], "b, seed 1": ["biglearn", "train", "c"]}}
    told = text_of(document(Comparison(rich().target, "it", [Trial("a", 0, dict(COSTS))], record)))
    assert "a, seed 0: biglearn train 'a b'; b, seed 1: biglearn train c" in told


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["covered", "not covered", "cannot tell"], "Not covered"),
        (["covered", "cannot tell"], "Cannot tell"),
        ([], "No verdict"),
    ],
)
def test_the_worst_verdict_is_the_headline(given, word):
    trials = [Trial("biglearn", seed, {**COSTS, "verdict": verdict(each)}) for seed, each in enumerate(given)]
    page = document(Comparison(unknown(2), "it", trials or [Trial("nuts", 0, dict(COSTS))], {}))
    assert re.search(rf'class="word">.*?{word}</p>', page)
    assert not given or f"Given on 1 of {len(given)} trials." in text_of(page)


def test_runs_by_the_names_of_their_folders_are_judged_too():
    figures = {**COSTS, "verdict": verdict("not covered")}
    page = document(
        Comparison(unknown(2), "it", [Trial("funnel-001", 0, figures), Trial("funnel-002", 0, figures)], {})
    )
    assert "Given on 2 of 2 trials." in text_of(page) and 'class="verdict not-covered"' in page


def test_numbers_read_well():
    assert with_error(0.01234, 0.0039, 3, 4) == "0.0123 ± 0.0039"
    assert with_error(-9e-8, 6e-9, 3, 3) == "0.000 ± 0.000"
    assert with_error(300_014.3, 3.2, 0, 0) == "300,014 ± 3"
    assert (with_error(25.0, 0.0, 0, 1), with_error(2.5, None, 2, 2)) == ("25", "2.50")
    assert (number(-1.5, 1), number(-0.001, 1), number(float("nan"), 1)) == ("\N{MINUS SIGN}1.5", "0.0", "nan")
    assert (span(0.1, 0.2, 1), span(0.1, 0.1001, 1)) == ("0.1 to 0.2", "0.1")
    assert [short_count(value) for value in (999, 62_452, 999_600, 1_200_000)] == ["999", "62.5 k", "1 M", "1.2 M"]


def test_seeds_keep_their_last_value():
    path = path_of([curve((10, 1, 0.5), (100, 3, 0.1)), curve((20, 2, 0.4), (50, 4, 0.2))], lambda p: p.modes_covered)
    assert (path.spent[0], path.spent[-1]) == (20, 100)
    assert (path.mean[0], path.least[0], path.most[0]) == (1.5, 1, 2)
    assert (path.mean[-1], path.least[-1], path.most[-1]) == (3.5, 3, 4)
    assert len(path_of([curve((90, 3, 0.1))], lambda p: p.mode_mass_tv).spent) == 1


def test_each_reference_stands_once_with_all_that_it_stands_for():
    task = {"kind": "task", "name": "b:joint", "parameters": {}, "reference": "Nested (2024)"}
    outer = {"kind": "scheduler", "name": "b:uniform", "parameters": {"tasks": [task, task]}, "reference": None}
    other = {"kind": "target", "name": "c:plane", "parameters": {}, "reference": "Nested (2024)"}
    page = citations({"entries": [outer, other]})
    assert page.count("Nested (2024)") == 1 and "(joint, plane)" in page
    assert "Big Learning Expectation Maximization" in citations({})
