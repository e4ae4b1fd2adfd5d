"""The windows in which the annotators' app is looked at."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Window:
    """Of a browser."""

    name: str
    width: int
    """In CSS pixels."""
    height: int
    mobile: bool = False
    """Whether it is a phone's, which is touched."""

    @property
    def options(self) -> dict[str, Any]:
        """What Playwright's `new_context` wants."""
        size = {"width": self.width, "height": self.height}
        return {"viewport": size, "is_mobile": self.mobile, "has_touch": self.mobile}


DESKTOP = Window("desktop", 1280, 800)
PHONE = Window("phone", 390, 844, mobile=True)
ZOOMED = Window("zoomed", 640, 400)
"""The desktop's at 200 %, in which as many CSS pixels are left (WCAG 1.4.4)."""
