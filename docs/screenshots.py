"""The screens of the annotators' app, photographed on a desktop and a phone, light and dark.

    python docs/screenshots.py                                    # those that the pages show: docs/app-*.jpg
    python docs/screenshots.py --only question rating
    python docs/screenshots.py --folder /somewhere --languages en de ar    # every screen, to be looked at one by one

Needs Chromium on the path and what the tests need (`pip install -e ".[test]"`). Small studies are begun in a temporary
folder, simulated people answer some of one, and the screens are photographed. With `--folder` every kind of question
has its screens; a picture is as long as the screen, with a line where it ends without scrolling, and a third one shows
a window of 1280×800 pixels at 200 %.
"""

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import tyro
from PIL import Image, ImageDraw
from playwright.sync_api import Browser

from explainfb.classifiers.settings import TrainingSettings
from explainfb.clips.study import ClipStudy
from explainfb.core.types import Comparison, ExplanationKey
from explainfb.explanations.settings import LimeSettings
from explainfb.labelling.session import FASTEST, AnnotationSession
from explainfb.labelling.stimuli import Stimuli
from explainfb.labelling.wording_files import WORDING, Language, write_wording
from explainfb.preferences.settings import QuerySettings
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.store import Role
from explainfb.study.settings import task_of
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.app_server import (
    WAITING,
    App,
    Visitor,
    ask_instead,
    begin,
    chromium,
    copy_study,
    served,
)
from explainfb.testing.windows import DESKTOP, PHONE, ZOOMED, Window

HERE = Path(__file__).parent

STUDY = replace(
    WAITING,
    comparisons_per_round=60,
    train_images=1_000,
    overlap=2,
    training=TrainingSettings(steps=300),
    lime=LimeSettings(n_samples=1_000),
)
SUPERPIXELS = replace(
    STUDY, task="digits-ring", queries=QuerySettings(compared="superpixels", strategy="random"), overlap=1
)
HEIGHT, GAP = 520, 16
"""Of a picture in the sheet of a page, and between pictures, in pixels."""
PEOPLE = {"Ada": 0.05, "Bo": 0.15, "Cy": 0.5}
"""Who has answered before, and the share of their answers that is wrong."""
MAIN = "document.querySelector('[data-testid=stMain]')"
"""What scrolls."""
Go = Callable[[Visitor, str], None]
"""From a link to the screen."""


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


def to(expected: str, *presses: tuple[str, str]) -> Go:
    """By the link until `expected` is there, then each button and what is there after it."""

    def go(visitor: Visitor, link: str) -> None:
        visitor.visit(link, expected)
        for button, then in presses:
            visitor.click(button)
            visitor.expect(then)

    return go


def to_stopped_clips(visitor: Visitor, link: str) -> None:
    to("progress")(visitor, link)
    visitor.page.wait_for_timeout(900)
    visitor.page.locator(".clips-stop").click()


@dataclass(frozen=True)
class Screen:
    """How to get to a screen."""

    study: str
    """Which of the studies below shows it."""
    go: Go
    practised: bool = True
    """Whether the person has agreed and practised."""
    role: Role = Role.ANNOTATOR


WELCOME, PRACTICE = to("agree"), to("agree", ("agree", "answers"))
SCREENS = {
    "researchers": Screen("compare", to("downloads"), role=Role.RESEARCHER),
    "practice": Screen("compare", PRACTICE, practised=False),
    "question": Screen("compare", to("progress")),
    "superpixels": Screen("superpixels", to("progress")),
    "rating": Screen("rate", to("progress")),
    "welcome": Screen("compare", WELCOME, practised=False),
    "feedback": Screen("compare", to("agree", ("agree", "answers"), ("right-", "go-on")), practised=False),
    "instructions": Screen("compare", to("progress", ("help", "back"))),
    "history": Screen("compare", to("progress", ("left-", "progress"), ("history", "back"))),
    "pause": Screen("compare", to("progress", ("pause", "go-on"))),
    "superpixels-welcome": Screen("superpixels", WELCOME, practised=False),
    "superpixels-practice": Screen("superpixels", PRACTICE, practised=False),
    "superpixels-feedback": Screen(
        "superpixels", to("agree", ("agree", "answers"), ("right-", "go-on")), practised=False
    ),
    "rating-welcome": Screen("rate", WELCOME, practised=False),
    "yes-no-welcome": Screen("yes-no", WELCOME, practised=False),
    "yes-no": Screen("yes-no", to("progress")),
    "point-welcome": Screen("point", WELCOME, practised=False),
    "point": Screen("point", to("progress", ("piece-", "progress"))),
    "rank-welcome": Screen("rank", WELCOME, practised=False),
    "rank": Screen("rank", to("progress", ("rank-1", "progress"))),
    "clips": Screen("clips", to_stopped_clips),
    "clips-welcome": Screen("clips", WELCOME, practised=False),
    "clips-history": Screen("clips", to("progress", ("left-", "progress"), ("history", "back"))),
}
ON_PAGES = ("researchers", "practice", "question", "superpixels", "rating", "clips")
"""What the documents show."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is photographed."""

    folder: Path | None = None
    """Where every screen is put; without it those of the pages beside them."""
    languages: tuple[Language, ...] = ("en",)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    only: tuple[str, ...] = ()
    """These screens; all of them if none is named."""

    @property
    def screens(self) -> dict[str, Screen]:
        known = {name: SCREENS[name] for name in ON_PAGES} if self.folder is None else SCREENS
        return {name: screen for name, screen in known.items() if not self.only or name in self.only}


@contextmanager
def photographed(
    browser: Browser, app: App, name: str, screen: Screen, window: Window, scheme: str
) -> Iterator[Visitor]:
    """Someone at the screen, once it has been drawn; they are forgotten afterwards."""
    who = f"{name} {scheme} {window.name}"
    link = app.invite(who, screen.role, practised=screen.practised)
    context = browser.new_context(color_scheme=scheme, device_scale_factor=2, **window.options)  # type: ignore[arg-type]
    visitor = Visitor(context.new_page())
    screen.go(visitor, link)
    visitor.settle()
    visitor.page.wait_for_timeout(800)
    yield visitor
    context.close()
    with app.store as store:
        if screen.role is Role.RESEARCHER:
            store.annotators.revoke(who)
        else:
            store.annotators.forget(who, counted=False)


def picture(visitor: Visitor) -> Image.Image:
    return Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB")


def whole_picture(visitor: Visitor, window: Window) -> Image.Image:
    """As long as the screen, with a red line where it ends without scrolling."""
    # scrolled, since sizes that depend on the window's would change in a longer one
    length: int = visitor.page.evaluate(f"{MAIN}.scrollHeight")
    found = Image.new("RGB", (2 * window.width, 2 * max(length, window.height)))
    for top in range(0, length, window.height):
        scrolled: float = visitor.page.evaluate(f"{MAIN}.scrollTop = {top}, {MAIN}.scrollTop")
        visitor.page.wait_for_timeout(200)
        found.paste(picture(visitor), (0, round(2 * scrolled)))
    fold = 2 * window.height
    if found.height > fold:
        ImageDraw.Draw(found).line([(0, fold), (found.width, fold)], fill=(255, 0, 0), width=3)
    return found.resize((found.width // 2, found.height // 2), Image.Resampling.LANCZOS)


def for_page(browser: Browser, app: App, name: str, screen: Screen) -> None:
    """The sheet of a page: desktop and phone, light, then dark."""
    pictures = []
    for scheme in ("light", "dark"):
        for window in (DESKTOP, PHONE):
            with photographed(browser, app, name, screen, window, scheme) as visitor:
                found = picture(visitor)
                size = (found.width * HEIGHT // found.height, HEIGHT)
                pictures.append(found.resize(size, Image.Resampling.LANCZOS))
    beside(pictures).save(HERE / f"app-{name}.jpg", quality=85, optimize=True)


def for_looking(browser: Browser, app: App, name: str, screen: Screen, path: Path, schemes: Sequence[str]) -> None:
    """A sheet for light and one for dark: desktop, phone, and the desktop at 200 %."""
    for scheme in schemes:
        pictures = []
        for window in (DESKTOP, PHONE, ZOOMED):
            with photographed(browser, app, name, screen, window, scheme) as visitor:
                pictures.append(whole_picture(visitor, window))
        beside(pictures).save(path.with_name(f"{path.name}-{scheme}.jpg"), quality=85)


def beside(pictures: list[Image.Image]) -> Image.Image:
    """The pictures in a row."""
    sheet = Image.new(
        "RGB", (sum(each.width + GAP for each in pictures) - GAP, max(each.height for each in pictures)), (128,) * 3
    )
    left = 0
    for each in pictures:
        sheet.paste(each, (left, 0))
        left += each.width + GAP
    return sheet


def begin_studies(folder: Path, wanted: Wanted) -> dict[str, Path]:
    """Those that the screens are of, each waiting for answers."""
    needed = {screen.study for screen in wanted.screens.values()}
    found = {}
    if "clips" in needed:
        found["clips"] = begin_clips(folder / "clips")
    if needed - {"superpixels", "clips"}:
        begin(folder / "compare", STUDY)
        copies = needed - {"compare", "superpixels", "clips"}
        found |= {name: copy_study(folder / "compare", folder / name) for name in copies}
    if "rate" in found:
        path = found["rate"] / "study.toml"
        write_settings(replace(read_settings(path), question="rate"), path)
    for name in ("yes-no", "point", "rank"):
        if name in found:
            ask_instead(found[name], name)
    if "compare" in needed:
        found["compare"] = folder / "compare"
    if "superpixels" in needed:
        begin(folder / "superpixels", SUPERPIXELS)
        found["superpixels"] = folder / "superpixels"
    return found


def begin_clips(folder: Path) -> Path:
    """Poles that are let fall, and one that is caught; needs the extra `rl`."""
    import gymnasium as gym
    import torch

    from experiments.christiano_2017.drawing import clips_of
    from experiments.christiano_2017.people import INSTRUCTIONS
    from experiments.christiano_2017.tasks import TASKS

    segments = []
    for seed in range(4):
        env = gym.make("CartPole-v1")
        seen, rows = env.reset(seed=seed)[0], []
        for _ in range(25):
            rows.append(torch.tensor(seen))
            seen = env.step(int(seen[2] + seen[3] > 0) if seed % 2 else 1)[0]
        segments.append(torch.stack(rows))
    folder.mkdir(parents=True)
    (folder / "instructions.md").write_text(INSTRUCTIONS["CartPole-v1"].lstrip(), encoding="utf-8")
    with ClipStudy(folder) as study:
        keys = [ExplanationKey("cartpole", number) for number in range(4)]
        for key, clip in zip(keys, clips_of(TASKS["cartpole"], torch.stack(segments)), strict=True):
            study.keep(key, clip)
        pairs = [Comparison.about(pair, 1, asked="clips") for pair in (keys[:2], keys[2:])]
        study.store.add_comparisons(pairs, seed=0)
    return folder


def photograph(browser: Browser, app: App, study: str, language: Language, wanted: Wanted) -> None:
    """The screens that are of this study."""
    for name, screen in wanted.screens.items():
        if screen.study == study and wanted.folder is None:
            for_page(browser, app, name, screen)
        elif screen.study == study and wanted.folder is not None:
            for_looking(browser, app, name, screen, wanted.folder / f"{name}-{language}", wanted.schemes)


def main(wanted: Wanted) -> None:
    if wanted.folder is not None:
        wanted.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for study, path in begin_studies(Path(folder), wanted).items():
            for language in wanted.languages:
                (path / WORDING).unlink(missing_ok=True)
                write_wording(path / WORDING, language)
                with served(path) as app:
                    if study == "compare" and language == wanted.languages[0]:
                        answer_some(app, path)
                    photograph(browser, app, study, language, wanted)


if __name__ == "__main__":
    main(tyro.cli(Wanted, description=__doc__))
