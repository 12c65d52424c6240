"""What every process starts from: the configuration and the home the environment names."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

from tickline.kpi.marts import Marts, marts_of
from tickline.lake.archive import Archive, open_archive
from tickline.lake.lake import Lake, open_lake
from tickline.pipeline.graph import stages
from tickline.pipeline.stage import Stage
from tickline.universe import Universe, load_universe


@dataclass(frozen=True)
class Workspace:
    """A configuration folder and a home, each part opened when first asked for."""

    config: Path
    home: Path

    @cached_property
    def universe(self) -> Universe:
        """The configuration, loaded and checked."""
        return load_universe(self.config)

    @cached_property
    def lake(self) -> Lake:
        """The lake of the home, or where TICKLINE_LAKE and TICKLINE_CATALOG say."""
        return open_lake(
            self.home,
            root=os.environ.get("TICKLINE_LAKE") or None,
            catalog=os.environ.get("TICKLINE_CATALOG") or None,
            endpoint=os.environ.get("TICKLINE_S3_ENDPOINT") or None,
        )

    @property
    def marts(self) -> Marts:
        """Where the SQL marts of the lake are; asked for each time, because credentials of a bucket expire."""
        return marts_of(self.lake, self.home)

    @cached_property
    def graph(self) -> list[Stage]:
        """Every stage up to yesterday."""
        return stages(self.universe, today=self.today)

    @cached_property
    def archive(self) -> Archive:
        """Where the retention policy puts copies."""
        return open_archive(self.universe.retention, self.home)

    @property
    def today(self) -> date:
        """The current UTC day."""
        return datetime.now(UTC).date()


def workspace() -> Workspace:
    """The workspace of TICKLINE_CONFIG (default `config`) and TICKLINE_HOME (default `.tickline`)."""
    return Workspace(
        config=Path(os.environ.get("TICKLINE_CONFIG", "config")).resolve(),
        home=Path(os.environ.get("TICKLINE_HOME", ".tickline")).resolve(),
    )
