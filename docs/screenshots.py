"""The screens of the annotators' app that the pages show, on a desktop and a phone, light and dark: docs/app-*.jpg.

    python docs/screenshots.py
    python docs/screenshots.py question rating

Needs Chromium on the path and what the tests need (`pip install -e ".[test]"`). A small study is begun in a temporary
folder, simulated people answer some of it, and the screens are photographed.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from explainfb.classifiers.settings import TrainingSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.labelling.session import FASTEST, AnnotationSession
from explainfb.labelling.stimuli import Stimuli
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.store import Role
from explainfb.study.settings import task_of
from explainfb.testing.app_server import WAITING, App, Visitor, begin, chromium, served

HERE = Path(__file__).parent

STUDY = replace(
    WAITING,
    comparisons_per_round=60,
    train_images=1_000,
    overlap=2,
    training=TrainingSettings(steps=300),
    lime=LimeSettings(n_samples=1_000),
)
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
HEIGHT, GAP = 520, 16
"""Of a picture in the sheet, and between pictures, in pixels."""
PEOPLE = {"Ada": 0.05, "Bo": 0.15, "Cy": 0.5}
"""Who has answered before, and the share of their answers that is wrong."""


def answer_some(app: App, study: Path) -> None:
    """What the researchers' page shows."""
    task = task_of(STUDY)
    stimuli = Stimuli(study, task)
    with app.store as store:
        for seed, (name, error_rate) in enumerate(PEOPLE.items()):
            store.annotators.add(name)
            person = next(each for each in store.annotators.all() if each.name == name)
            session = AnnotationSession(store=store, annotator=person, overlap=2, lease_seconds=600)
            judge = SimulatedAnnotator(split=task.train, seed=seed, error_rate=error_rate, name=name)
            for number in range(30):
                lease = session.next()
                assert lease is not None
                asked = lease.comparison.comparison
                sides = [stimuli.stimulus(key, asked.round).explanation for key in (asked.left, asked.right)]
                shown_at = datetime.now(UTC) - FASTEST - timedelta(seconds=2 + number % 5)
                session.answer(lease, judge.answer(asked, sides[0], sides[1]), shown_at=shown_at)


def to_practice(visitor: Visitor, link: str) -> None:
    visitor.visit(link, "agree")
    visitor.press("y")
    visitor.expect("answers")


def to_question(visitor: Visitor, link: str) -> None:
    visitor.visit(link, "progress")


def to_researchers(visitor: Visitor, link: str) -> None:
    visitor.visit(link, "downloads")


SCREENS: dict[str, tuple[Callable[[Visitor, str], None], Role, bool]] = {
    "researchers": (to_researchers, Role.RESEARCHER, False),
    "practice": (to_practice, Role.ANNOTATOR, False),
    "question": (to_question, Role.ANNOTATOR, True),
    "rating": (to_question, Role.ANNOTATOR, True),
}
"""How to get to each screen, with whose link, and whether that person has practised."""


def photograph(browser: Browser, app: App, screen: str) -> Image.Image:
    """A sheet: desktop and phone, light, then dark."""
    go, role, practised = SCREENS[screen]
    pictures = []
    for scheme in ("light", "dark"):
        for size, mobile in ((DESKTOP, False), (PHONE, True)):
            link = app.invite(f"{screen} {scheme} {mobile}", role, practised=practised)
            context = browser.new_context(
                viewport=size, color_scheme=scheme, is_mobile=mobile, has_touch=mobile, device_scale_factor=2
            )
            visitor = Visitor(context.new_page())
            go(visitor, link)
            visitor.settle()
            visitor.page.wait_for_timeout(800)
            pictures.append(Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB"))
            context.close()
            with app.store as store:
                store.annotators.revoke(f"{screen} {scheme} {mobile}")
    return beside(pictures)


def take(browser: Browser, app: App, screen: str) -> None:
    """Write the screen's sheet, if it was asked for."""
    if len(sys.argv) == 1 or screen in sys.argv[1:]:
        photograph(browser, app, screen).save(HERE / f"app-{screen}.jpg", quality=85, optimize=True)


def beside(pictures: list[Image.Image]) -> Image.Image:
    """The pictures in a row, all of one height."""
    sizes = [(picture.width * HEIGHT // picture.height, HEIGHT) for picture in pictures]
    small = [picture.resize(size, Image.Resampling.LANCZOS) for picture, size in zip(pictures, sizes, strict=True)]
    sheet = Image.new("RGB", (sum(each.width + GAP for each in small) - GAP, HEIGHT), (128, 128, 128))
    left = 0
    for each in small:
        sheet.paste(each, (left, 0))
        left += each.width + GAP
    return sheet


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        study = Path(name) / "study"
        begin(study, STUDY)
        with served(study) as app, chromium() as browser:
            answer_some(app, study)
            for screen in ("researchers", "practice", "question"):
                take(browser, app, screen)
        settings = (study / "study.toml").read_text()
        (study / "study.toml").write_text(settings.replace('question = "compare"', 'question = "rate"'))
        with served(study) as app, chromium() as browser:
            take(browser, app, "rating")


if __name__ == "__main__":
    main()
