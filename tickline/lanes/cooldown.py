"""Aliases of one bet are counted once: a family that was taken rests, whatever lane or kind finds it again."""

from collections.abc import Mapping
from dataclasses import dataclass

NS_A_SECOND = 1_000_000_000

LONGEST_BUCKET_NS = 86_400 * NS_A_SECOND
"""No id is detected later than this after its time bucket began: a lane's bucket is a day at most."""


@dataclass(frozen=True, slots=True)
class Taken:
    """When a family was last taken, by which opportunity, and the ids taken of it whose bucket may still last."""

    ts_ns: int
    opportunity_id: str
    ids: tuple[tuple[str, int], ...]


def resting(taken: Mapping[str, Taken], family: str, *, now_ns: int, cooldown_s: int) -> Taken | None:
    """What a family still rests from; None where it may be taken.

    It also rests from what is dated later than now: time does not go back.
    """
    last = taken.get(family)
    return last if last is not None and now_ns - last.ts_ns < cooldown_s * NS_A_SECOND else None


def is_repeated(taken: Mapping[str, Taken], family: str, opportunity_id: str) -> bool:
    """Whether this very opportunity was taken, even where its family may be taken again."""
    last = taken.get(family)
    return last is not None and any(one == opportunity_id for one, _ in last.ids)


def with_taken(
    taken: Mapping[str, Taken], family: str, opportunity_id: str, *, now_ns: int, bucket_ns: int, cooldown_s: int
) -> dict[str, Taken]:
    """The families with one more taken, the last at the end; those that nothing depends on any more are left out."""
    kept = dict(taken)
    last = kept.pop(family, None)
    before = last.ids if last is not None else ()
    ids = tuple((one, since) for one, since in before if now_ns - since < LONGEST_BUCKET_NS)
    kept[family] = Taken(now_ns, opportunity_id, (*ids, (opportunity_id, bucket_ns)))
    longest = max(cooldown_s * NS_A_SECOND, LONGEST_BUCKET_NS)
    forgotten = []
    for one, since in kept.items():  # in order of time, so the first that is needed ends the search
        if now_ns - since.ts_ns < longest:
            break
        forgotten.append(one)
    for one in forgotten:
        del kept[one]
    return kept
