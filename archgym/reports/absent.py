"""What a report has instead of a part that it cannot have."""

from __future__ import annotations

from typing import NamedTuple


class Absent(NamedTuple):
    """Stands for a part of a report that is not there; `why` is a sentence for its reader."""

    why: str
