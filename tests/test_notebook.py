"""What a notebook shows: tables and pictures with words for those who do not see them."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.catalogue.notebook import picture, table
from biglearn_sampler.comparison import CoveragePoint, Trial
from biglearn_sampler.runs.run import Snapshot

MIXTURE = bl.GaussianMixture.of([[-1.0, 0.0], [1.0, 0.0]], 0.1)


class Page(HTMLParser):
    """The pictures, the cells and the text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures: list[dict[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def a_run() -> bl.Run:
    metrics = {"elbo": -0.5, "modes_covered": 2, "modes_total": 2, "standard_errors": {"elbo": 0.01}}
    snapshots = [Snapshot(0, MIXTURE), Snapshot(5, MIXTURE)]
    target = bl.MixtureTarget.of(MIXTURE, scale=2.0)
    return bl.Run(target, "two", MIXTURE, metrics, [], snapshots, {"seed": 3, "settings": {}})


def a_comparison() -> bl.Comparison:
    figures = {"energy_evaluations": 5, "gradient_evaluations": 7, "elbo": -1.0}
    trials = [Trial("<b>odd</b>", 0, figures, [CoveragePoint(6, 1, 0.5), CoveragePoint(12, 2, 0.1)])]
    return bl.Comparison(bl.MixtureTarget.of(MIXTURE, scale=2.0), "two", trials, {})


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (lambda: MIXTURE, ("mixture of 2 Gaussians in 2 dimensions", "0.5000", "-1, 0", "0.316, 0.316")),
        (lambda: bl.FactoredMixture(((0,), (1, 2)), (bl.GaussianMixture.of([[0.0]], 1.0), MIXTURE)), ("3 dimensions",)),
        (lambda: bl.MixtureTarget.of(MIXTURE, scale=2.0), ("2 known", "exact draws")),
        (lambda: bl.target(lambda x: -jnp.sum(x**2), dim=1, scale=1.0), ("unknown", "dimension")),
        (a_run, ("seed 3", "All 2 known modes are covered.", "-0.5000 ± 0.01")),
    ],
)
def test_things_show_words_and_a_picture(thing, words):
    page = Page(thing()._repr_html_())
    assert all(word in page.text for word in words)
    assert "no picture" not in page.text
    (drawn,) = page.pictures
    assert drawn["alt"] and str(drawn["src"]).startswith("data:image/png;base64,")
    assert base64.b64decode(str(drawn["src"]).split(",")[1]).startswith(b"\x89PNG")


def test_components_that_look_alike_are_one_row(monkeypatch):
    """To the digits that are shown, in all coordinates."""
    monkeypatch.setattr("biglearn_sampler.mixture.notebook._picture", lambda sampler: "")
    means = np.zeros((8, 5))
    means[:, 0] = [2.0, 2.0, 2.0, 2.0001, 2.0, 2.0, 1.0, 1.0]
    means[7, 4] = 3.0
    html = bl.GaussianMixture.of(means, 0.01)._repr_html_()
    assert html.count("<tr>") == 1 + 3 and "the heaviest, those that look alike added up:" in html
    assert "0.7500" in html and html.count("0.1250") == 2


def test_at_a_prompt_results_are_a_line():
    assert repr(a_run()) == "Run(name='two', folder=None)"
    assert repr(a_comparison()) == "Comparison(name='two', folder=None)"
    assert repr(a_comparison().trials[0]) == "Trial(method='<b>odd</b>', seed=0, failed=None)"


def test_a_comparison_shows_its_table_and_escapes_names():
    html = a_comparison()._repr_html_()
    assert "&lt;b&gt;odd&lt;/b&gt;" in html and "<b>odd" not in html
    page = Page(html)
    assert "12 evaluations on 1 seed" in page.text and "no picture" not in page.text
    (drawn,) = page.pictures
    assert b"</svg>" in base64.b64decode(str(drawn["src"]).removeprefix("data:image/svg+xml;base64,"))


def test_a_picture_that_fails_leaves_a_sentence():
    def fail(report, path):
        raise OSError("no room")

    assert picture("target_picture", fail, "nothing") == "<p>no picture: OSError: no room</p>"
    assert picture("target_picture", lambda report, path: False, "nothing") == ""


def test_cells_are_escaped():
    assert "<script>" not in table(("<script>",), [("<script>",)])
