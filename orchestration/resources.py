"""What assets are handed at run time: the lake and its marts."""

from functools import cache
from pathlib import Path

import dagster as dg

from tickline.kpi.marts import Marts
from tickline.lake.lake import Lake
from tickline.workspace import Workspace, workspace


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The lake of a configuration and home."""

    config: str
    home: str

    def open(self) -> Lake:
        """The lake, opened once per process."""
        return _opened(self.config, self.home).lake

    def marts(self) -> Marts:
        """Where the SQL marts of the lake are."""
        return _opened(self.config, self.home).marts


@cache
def _opened(config: str, home: str) -> Workspace:
    return Workspace(Path(config), Path(home))


def lake_resource() -> LakeResource:
    """The lake of the environment's workspace."""
    here = workspace()
    return LakeResource(config=str(here.config), home=str(here.home))
