"""What a study's settings can say of a task."""

from typing import Literal

Kind = Literal["position", "grey"]
"""Of the shortcut that a -decoy task plants: where a white patch stands, or the grey level of a patch in a corner."""
