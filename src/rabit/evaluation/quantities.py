"""What an evaluation measures: names, headings, directions, and the paper's own columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "neither"]
Group = Literal["quality", "consistency", "fidelity"]
GROUPS: dict[Group, str] = {
    "quality": "Quality and diversity",
    "consistency": "Consistency with the condition and the exemplar",
    "fidelity": "Against the true result",
}
"""Groups of quantities, each a table, with their titles."""


@dataclass(frozen=True)
class Quantity:
    """A figure that methods are compared by.

    Args:
        name: in files, such as semantic_52.
        heading: short, for tables.
        label: in full, with the network that it reads.
        group: of GROUPS.
        better: which values are.
        digits: behind the point.
        paper: heading of the paper's column that it stands for; None where it has none.
    """

    name: str
    heading: str
    label: str
    group: Group
    better: Better
    digits: int
    paper: str | None = None

    @property
    def arrow(self) -> str:
        """An arrow to the better values."""
        return {"lower": "↓", "higher": "↑", "neither": ""}[self.better]
