"""The page as a browser lays it out: nothing is cut off, and no number is broken in two."""

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page

from explainfb.report import write_report
from results_example import example_report_data, example_results

NUMBERS = {"evaluation.attacks.step_search_images": 16, "baselines.rrr_strength": 0.015378700499807767}
PATH = "folder:/home/somebody/pictures/" + "quite_a_long_name/" * 8


@pytest.fixture(scope="module", params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "index.html"
    seconds = {"adversarial_training: measuring and attacking": 28.8}
    results = replace(example_results(), task=PATH, settings=NUMBERS, seconds=seconds)
    write_report(results, example_report_data(items=2), path)
    width, height = request.param
    found = browser.new_page(viewport={"width": width, "height": height})
    found.goto(path.as_uri())
    return found


def test_the_page_does_not_scroll_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_number_stays_in_one_line(page: Page) -> None:
    one_line = "node => node.clientHeight < 1.9 * parseFloat(getComputedStyle(node).fontSize)"
    texts = page.locator(".facts dd").evaluate_all(f"nodes => nodes.filter({one_line}).map(node => node.textContent)")
    assert {"16", "0.015378700499807767", "28.8\N{NO-BREAK SPACE}s", "2.15.0"} <= set(texts)


def test_a_long_path_stays_in_its_column(page: Page) -> None:
    wide = "nodes => nodes.filter(node => node.scrollWidth > node.clientWidth + 1).map(node => node.textContent)"
    assert page.locator(".facts div").evaluate_all(wide) == []
