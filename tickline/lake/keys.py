"""The name of a partition: dataset, venue and date."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from tickline.errors import LakeError

WHOLE = "all"


@dataclass(frozen=True, slots=True, order=True)
class PartitionKey:
    """One partition of one dataset.

    `period` is an ISO date: a UTC day for ticks, a session_date for bars and everything after, the Monday
    of the week for weekly bars; a year for sessions; or `all` for a dataset that is not split by time.
    """

    dataset: str
    venue: str
    period: str

    @classmethod
    def daily(cls, dataset: str, venue: str, day: date) -> Self:
        """The partition of one UTC day or session_date."""
        return cls(dataset, venue, day.isoformat())

    @classmethod
    def whole(cls, dataset: str, venue: str) -> Self:
        """The single partition of a dataset that is not split by time."""
        return cls(dataset, venue, WHOLE)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key written as `dataset/venue/period`. Raises LakeError for anything else."""
        parts = text.split("/")
        if len(parts) != 3 or not all(parts):
            raise LakeError(
                f"{text!r} is not a partition; write dataset/venue/period, such as bars_1m/coinsim/2026-03-06"
            )
        return cls(*parts)

    @property
    def is_daily(self) -> bool:
        """Whether the period is a date, and not a year or `all`."""
        return len(self.period) == len("2026-03-06")

    @property
    def date(self) -> date:
        """The period as a date. Raises ValueError for a partition that is not split by time."""
        return date.fromisoformat(self.period)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.venue}/{self.period}"
