"""``damage.json``: which seconds of a video are damaged or missing."""

from screenalytics_assets.core.common.intervals import Intervals, total_s
from screenalytics_assets.core.documents.document import Document


class Damage(Document):
    """The time in which pictures are damaged, lost, or coded as a difference from such ones.

    Attributes:
        damaged_s: Total length of the intervals in seconds.
        intervals: Start and end in seconds, merged and in order.
    """

    damaged_s: float
    intervals: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, damaged: Intervals) -> "Damage":
        """From merged intervals; ends are rounded to milliseconds."""
        rounded = damaged.round(3)
        return cls(damaged_s=round(total_s(rounded), 3), intervals=rounded.tolist())
