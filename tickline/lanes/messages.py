"""What a lane finds in a cycle, as bytes that its process hands another: JSON, exact numbers as text."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from tickline.lanes.model import Opportunity


@dataclass(frozen=True, slots=True)
class Found:
    """Opportunities in the lane's own order, and how many baskets it could not price for which reason."""

    opportunities: tuple[Opportunity, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()


NOTHING = Found()

_FOUND = TypeAdapter(Found)


def found_to(found: Found) -> bytes:
    """The JSON of what was found: the same bytes for the same opportunities in the same order."""
    return _FOUND.dump_json(found)


def found_from(body: bytes) -> Found:
    """What was found, out of such bytes. Raises pydantic's ValidationError where they are not."""
    return _FOUND.validate_json(body)
