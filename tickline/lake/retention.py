"""How long each dataset stays in the lake, as configuration, and what is due under it."""

from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tickline.lake.keys import WHOLE
from tickline.lake.lake import Lake
from tickline.lake.records import ObjectState, Publication
from tickline.lake.schemas import DATASETS

_UNDATED = frozenset({"instruments", "sessions"})


class Keep(BaseModel):
    """How many days after its date a partition stays in the lake once it is archived."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_days: Annotated[int, Field(ge=1)]


class RetentionPolicy(BaseModel):
    """Where copies go and which datasets leave the lake when. A dataset not named is archived and stays for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: Annotated[str, Field(min_length=1)]
    endpoint: str | None = None
    datasets: dict[str, Keep] = Field(default={})

    @field_validator("datasets")
    @classmethod
    def _known(cls, datasets: dict[str, Keep]) -> dict[str, Keep]:
        unknown = sorted(set(datasets) - set(DATASETS))
        if unknown:
            raise ValueError(f"no such dataset: {', '.join(unknown)}")
        undated = sorted(set(datasets) & _UNDATED)
        if undated:
            raise ValueError(f"not kept by date, so it cannot expire: {', '.join(undated)}")
        return datasets


def due_for_archive(lake: Lake, archive: str) -> list[Publication]:
    """The current publications without a verified copy in an archive."""
    archived = lake.catalog.archived_in(archive)
    return [
        publication
        for publication in lake.catalog.everything().values()
        if publication.state is ObjectState.PRESENT and publication.sha256 not in archived
    ]


def due_for_expiry(lake: Lake, policy: RetentionPolicy, archive: str, today: date) -> list[Publication]:
    """The publications past their time whose object has a copy and that no partition still in its time shares."""
    current = list(lake.catalog.everything().values())
    kept = {publication.sha256 for publication in current if not _is_past(publication, policy, today)}
    archived = lake.catalog.archived_in(archive)
    return [
        publication
        for publication in current
        if publication.state is ObjectState.PRESENT
        and publication.sha256 not in kept
        and publication.sha256 in archived
    ]


def _is_past(publication: Publication, policy: RetentionPolicy, today: date) -> bool:
    keep = policy.datasets.get(publication.key.dataset)
    if keep is None or publication.key.period == WHOLE:
        return False
    return publication.key.date + timedelta(days=keep.keep_days) < today
