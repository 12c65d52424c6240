"""Opportunities as bytes that a process hands another: JSON, exact numbers as text."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from tickline.lanes.model import Opportunity

_OPPORTUNITIES = TypeAdapter(tuple[Opportunity, ...])


def opportunities_to(found: Sequence[Opportunity]) -> bytes:
    """The JSON of opportunities: the same bytes for the same opportunities in the same order."""
    return _OPPORTUNITIES.dump_json(tuple(found))


def opportunities_from(body: bytes) -> tuple[Opportunity, ...]:
    """The opportunities of such bytes. Raises pydantic's ValidationError where they are not."""
    return _OPPORTUNITIES.validate_json(body)
