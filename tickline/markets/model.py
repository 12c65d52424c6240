"""The words that prediction markets are described in. Their columns are in `tickline.lake.market_schemas`."""

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """The outcome of a binary market that a contract pays on."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> "Side":
        """The outcome that wins where this one loses."""
        return Side.NO if self is Side.YES else Side.YES


class Status(StrEnum):
    """Where a market stands in its life."""

    UPCOMING = "upcoming"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"  # no more trading, not resolved yet
    SETTLED = "settled"
    VOIDED = "voided"


class StrikeOp(StrEnum):
    """How the observed number must compare with the strike for YES."""

    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    EQ = "eq"
    BETWEEN = "between"  # both ends included


class GroupKind(StrEnum):
    """What the markets of a group have to do with each other."""

    EXCLUSIVE = "exclusive"  # at most one resolves to yes
    LADDER = "ladder"  # thresholds of one number: each rung implies those below it


class Label(StrEnum):
    """Whether one of an exclusive group must resolve to yes."""

    EXHAUSTIVE = "exhaustive"
    NON_EXHAUSTIVE = "non_exhaustive"
    UNKNOWN = "unknown"


class Relation(StrEnum):
    """What the YES of one market says of the YES of another."""

    EQUIVALENT = "equivalent"  # both or neither
    COMPLEMENT = "complement"  # exactly one
    SUBSET = "subset"  # one implies the other
    RELATED = "related"  # the same subject; nothing follows
    DIFFERENT = "different"


class Basis(StrEnum):
    """What a mapping or a structural rule rests on, the firmest first."""

    METADATA = "metadata"  # the venue's own
    STRICT_ID = "strict_id"  # an id both venues share
    HUMAN = "human"
    SCORED = "scored"
    FALLBACK = "fallback"  # text, time and price agree where there is no strict id
    HEURISTIC = "heuristic"


class Severity(StrEnum):
    """How bad a flag on a mapping is, mildest first; what is `block` cannot be traded."""

    NONE = "none"
    NOTE = "note"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, order=True)
class MarketKey:
    """One market of one venue."""

    venue: str
    market_id: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.market_id}"
