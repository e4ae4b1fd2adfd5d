"""People who visit the annotators' app, each with a browser of their own."""

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe

from explainfb.testing.app_server import App, Visitor

NewVisitor = Callable[[], Visitor]
AXE = Axe()
FAULTS = """() => {
    const seen = each => each.checkVisibility({opacityProperty: true, visibilityProperty: true});
    const main = document.querySelector("[data-testid=stMain]"), found = [];
    const named = each => `${each.tagName} ${(each.innerText || each.alt || each.className).slice(0, 40)}`;
    if (main.scrollWidth > main.clientWidth + 1) found.push(`the page is ${main.scrollWidth} wide`);
    const parts = [...main.querySelectorAll("button, h1, h2, p, img, input")].filter(seen);
    for (const each of parts) {
        const box = each.getBoundingClientRect();
        if (box.left < -1 || box.right > innerWidth + 1) found.push(`${named(each)} is cut off at the edge`);
        const hides = getComputedStyle(each).overflowX !== "visible" && !each.matches("input");
        if (hides && each.scrollWidth > each.clientWidth + 1)
            found.push(`${named(each)} does not fit into itself`);
    }
    const apart = [...main.querySelectorAll("button, .heading, .caption, img")].filter(seen);
    for (const [place, one] of apart.entries()) for (const two of apart.slice(place + 1)) {
        const [a, b] = [one.getBoundingClientRect(), two.getBoundingClientRect()];
        const over = (from, to, size) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
        if (over("left", "right") > 2 && over("top", "bottom") > 2 && !one.contains(two) && !two.contains(one))
            found.push(`${named(one)} lies over ${named(two)}`);
    }
    return found;
}"""
"""What is cut off, wider than its place, or lies over something else, of all that can be seen."""


def complaints(visitor: Visitor, screen: str) -> list[str]:
    """What axe-core finds on the page that keeps people out."""
    visitor.settle()
    visitor.page.wait_for_timeout(300)  # what fades in has no contrast yet
    found = AXE.run(visitor.page).response["violations"]
    return [f"{screen}: {each['id']}, {node['html'][:120]}" for each in found for node in each["nodes"]]


def faults(visitor: Visitor, screen: str) -> list[str]:
    """What of the page is cut off or covered, and stays so: what is drawn anew is out of its place for a moment."""
    visitor.settle()
    found: list[str] = []
    for _ in range(10):
        found = visitor.page.evaluate(FAULTS)
        if not found:
            break
        visitor.page.wait_for_timeout(300)
    return [f"{screen}: {each}" for each in found]


def ready_visitors(new_visitor: NewVisitor, app: App, names: list[str]) -> list[Visitor]:
    """People past consent and practice, at their first question."""
    visitors = [new_visitor() for _ in names]
    for visitor, name in zip(visitors, names, strict=True):
        visitor.visit(app.invite(name, practised=True), "progress")
    return visitors


def requests_of(visitor: Visitor) -> list[str]:
    """The addresses of everything that the page asks for from now on; other hosts do not answer."""
    requested: list[str] = []
    visitor.page.on("request", lambda request: requested.append(request.url))
    visitor.page.on("websocket", lambda socket: requested.append(socket.url.replace("ws", "http", 1)))
    visitor.page.route(lambda url: not url.startswith(("http://127.0.0.1:", "data:", "blob:")), lambda r: r.abort())
    return requested


def check_that_no_other_host_is_asked(app: App, visitor: Visitor, requested: list[str]) -> None:
    """Neither by the page nor for its icon, which the browser fetches without telling the page."""
    icons = visitor.page.eval_on_selector_all("link[rel~=icon]", "links => links.map(link => link.href)")
    assert icons
    assert requested
    here = (f"{app.base}/", "data:", "blob:")
    assert [url for url in [*requested, *icons] if not url.startswith(here)] == []
