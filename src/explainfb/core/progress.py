"""Telling what is being done, what is left, and for how long."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from explainfb.core.names import printable

T = TypeVar("T")
SECONDS_BEFORE_BAR = 2.0
"""Seconds of work before `with_progress_bar` shows a bar: one that only flashes up tells nobody anything."""
Step = Callable[[float], None]
"""Called with how much more of a stage is done."""


class Progress:
    """A bar for the whole and one for the stage under way; without a console, nothing is shown.

    `total` is the amount of work, in whatever unit `stage` is given its cost; `name` says what the whole is.
    """

    def __init__(self, console: Console | None = None, total: float = 0, name: str = "whole study") -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=console is None,
        )
        self._whole = self._bars.add_task(name, total=total)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    @contextmanager
    def stage(self, name: str, size: float, cost: float = 0) -> Iterator[Step]:
        """A stage of `size` steps that is `cost` of the whole; the whole moves on with its steps."""
        task = self._bars.add_task(name, total=size)
        done = 0.0

        def step(advance: float = 1) -> None:
            nonlocal done
            done += advance
            self._bars.advance(task, advance)
            self._move_on(cost * advance / size)

        try:
            yield step
            # one that ended early, as training does that no longer improves, is done all the same
            self._move_on(cost * (size - done) / size if size else 0)
        finally:
            self._bars.remove_task(task)

    def say(self, text: str) -> None:
        """Tell something that people must know, above the bars, or on standard error where there are none."""
        console = Console(stderr=True) if self._bars.disable else self._bars.console
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    @property
    def done(self) -> float:
        """How much of the whole is done."""
        return self._bars.tasks[0].completed

    def skip(self, cost: float) -> None:
        """Count work that an earlier run has done."""
        self._move_on(cost)

    def _move_on(self, cost: float) -> None:
        done, total = self.done + cost, self._bars.tasks[0].total or 0
        # a thousand parts add up to a little less than the whole, and 1139.999… of 1140 is shown as 1139
        end = abs(total - done) < 1e-6 * total
        self._bars.update(self._whole, completed=total if end else done)


def with_progress_bar(items: Sequence[T], doing: str) -> Iterator[T]:
    """The items, with a progress bar on standard error once they have taken longer than `SECONDS_BEFORE_BAR`."""
    begin, shown = time.monotonic(), False
    bar = Bars(console=Console(stderr=True), transient=True)  # standard output is for what a command is asked for
    line = bar.add_task(doing, total=len(items))
    try:
        for item in items:
            if not shown and time.monotonic() - begin > SECONDS_BEFORE_BAR:
                bar.start()
                shown = True
            yield item
            bar.advance(line)
    finally:
        if shown:
            bar.stop()
