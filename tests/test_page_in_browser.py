"""The page in a real browser: no complaint, no request, all pictures, no overflow, and tables that sort."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from biglearn_plugins.reports.page.page import Page
from biglearn_sampler.comparison import Comparison, CoveragePoint, Trial
from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.mixture import GaussianMixture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MOST_BYTES = 5_000_000
FIRST_SCREEN = 800
WIDE, PHONE = 1280, 360
LONG_NAME = "a_method_with_a_name_that_is_longer_than_a_phone_is_wide"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def comparison() -> Comparison:
    target = MixtureTarget.of(GaussianMixture.of([[-2.0, 0.0], [2.0, 0.0]], 0.3, [0.4, 0.6]), scale=4.0)
    assert target.facts.sample is not None
    points = np.asarray(target.facts.sample(jax.random.key(0), 300), float)
    draws = Draws(points, np.asarray(jax.vmap(target.log_density)(jnp.asarray(points)), float))
    methods = [("biglearn", 60_000), ("nuts", 300_000), ("parallel_tempering", 90_000)]
    verdict = {"verdict": "covered", "sentence": "Covered: nothing is missing."}
    trials = []
    for method, spent in methods:
        costs = {"energy_evaluations": 0, "gradient_evaluations": spent, "seconds_compile": 2.0, "seconds_run": 1.0}
        masses = {"modes_covered": 2, "modes_total": 2, "mode_mass_tv": 0.02, "mode_mass_tv_floor": 0.01}
        figures = {**costs, **masses, "verdict": verdict if method == "biglearn" else None}
        curve = [CoveragePoint(1000, 1, 0.5), CoveragePoint(spent, 2, 0.02)]
        trials += [Trial(method, seed, figures, curve, draws) for seed in (0, 1)]
    trials.append(Trial(LONG_NAME, 0, {}, failed="its package is not there & <b>cannot</b> be"))
    return Comparison(target, "two_modes", trials, {"settings": {"path": "x" * 200}, "command": ["y" * 200]})


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    (path,) = Page().write_comparison(comparison(), tmp_path_factory.mktemp("page"))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


def faults_of(browser: Any, path: Path, width: int = WIDE, scheme: str = "light") -> list[str]:
    """Everything that is wrong with a page, by name."""
    faults = ["size"] if path.stat().st_size >= MOST_BYTES else []
    context = browser.new_context(viewport={"width": width, "height": FIRST_SCREEN}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    faults += [f"request: {url}" for url in asked if url != path.as_uri() and not url.startswith("data:")]
    faults += page.evaluate(LOOK)
    box = page.locator("#verdict .word").bounding_box()
    if box is None or box["y"] + box["height"] > FIRST_SCREEN:
        faults.append("verdict below the first screen")
    faults += _sorting(page)
    context.close()
    return faults


LOOK = """() => [
  ...[...document.images].filter((image) => !image.naturalWidth).map(() => "picture missing"),
  ...[...document.images].filter((image) => image.alt.length < 40).map(() => "no text for a picture"),
  ...(document.images.length ? [] : ["no pictures"]),
  ...(document.documentElement.scrollWidth > innerWidth ? ["overflow"] : []),
]"""


def _sorting(page: Any) -> list[str]:
    """Click and key press sort a column both ways, with what is missing below."""
    heading = page.locator("#methods thead th", has_text="Evaluations")
    button = heading.locator("button")
    if not button.count():
        return ["no button to sort"]
    faults = []
    for direction, press in (("ascending", button.click), ("descending", lambda: button.press("Enter"))):
        press()
        values = page.locator("#methods tbody tr").evaluate_all("rows => rows.map((row) => row.cells[2].dataset.sort)")
        told = [float(value) for value in values if value]
        if told != sorted(told, reverse=direction == "descending") or len(told) != 3 or values[-1]:
            faults.append(f"not sorted: {values}")
        if heading.get_attribute("aria-sort") != direction:
            faults.append("aria-sort")
    return faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_page_has_no_fault(browser, report, width, scheme):
    assert faults_of(browser, report, width, scheme) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("</main>", "<script>1</script></main>", "console: "),
        ("</main>", '<img src="https://example.org/a.png" alt=""></main>', "console: "),
        ('"use strict";', '"use strict"; nothing.there;', "error: "),
        ('createElement("button")', 'createElement("b")', "no button to sort"),
        ("</main>", '<img src="beside.png" alt="' + "a" * 50 + '"></main>', "request: "),
        ("base64,PD94", "base64,QUFB", "picture missing"),
        ('alt="', 'alt="" title="', "no text for a picture"),
        ("</main>", '<p style="width:90rem">wide</p></main>', "overflow"),
        ("<main", '<div style="height:50rem"></div><main', "verdict below the first screen"),
        ("sign * compare(a, b)", "compare(b, a)", "not sorted"),
        ('.setAttribute("aria-sort", direction)', ".removeAttribute('aria-sort')", "aria-sort"),
        ("</main>", f"<!--{'x' * MOST_BYTES}--></main>", "size"),
    ],
)
def test_every_fault_would_be_seen(browser, report, tmp_path, old, new, fault):
    text = report.read_text(encoding="utf-8")
    assert old in text
    broken = text.replace(old, new)
    if fault != "console: ":  # the policy would stop a changed script, or a request, before its fault can show
        broken = re.sub('script-src [^"]*', "script-src 'unsafe-inline'; img-src data: file:", broken)
        broken = broken.replace("img-src data:;", "")
    path = tmp_path / "broken.html"
    path.write_text(broken, encoding="utf-8")
    assert any(each.startswith(fault) for each in faults_of(browser, path))


def _brightest_grey(browser: Any, report: Path, scheme: str) -> tuple[int, int]:
    """The darkest and the brightest grey of the first picture as a reader sees it."""
    context = browser.new_context(viewport={"width": WIDE, "height": FIRST_SCREEN}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    pixels = np.asarray(Image.open(io.BytesIO(page.locator("img").first.screenshot())).convert("RGB"))
    context.close()
    return int(pixels.max(axis=-1).min()), int(pixels.min(axis=-1).max())


def test_pictures_follow_the_theme(browser, report):
    """Letters are dark on a white page and light on a dark one."""
    darkest, brightest = _brightest_grey(browser, report, "light")
    assert darkest < 90 and brightest == 255
    darkest, brightest = _brightest_grey(browser, report, "dark")
    assert darkest < 40 and brightest > 180


def test_without_scripts_everything_is_there_and_nothing_pretends_to_sort(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#methods tbody tr").count() == 4 and page.locator("button").count() == 0
    context.close()


def test_paper_shows_what_is_folded(browser, report):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    context.close()
