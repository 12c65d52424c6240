"""The embedded Dagster instance: its folder under TICKLINE_HOME, made when first needed."""

import os
import shutil
from pathlib import Path

import dagster as dg

_PROFILE = Path(__file__).parent.parent / "deploy" / "embedded" / "dagster.yaml"


def dagster_home(home: Path) -> Path:
    """The DAGSTER_HOME of a TICKLINE_HOME, with the embedded profile in it. An edited profile is left as it is."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "dagster.yaml").exists():
        shutil.copyfile(_PROFILE, folder / "dagster.yaml")
    return folder


def embedded_instance(home: Path) -> dg.DagsterInstance:
    """The instance of a TICKLINE_HOME; the same that the UI and the daemon of `make dev` use."""
    folder = dagster_home(home)
    # The profile names its folders through this variable, so that it can be used unchanged by the UI and the daemon.
    os.environ["DAGSTER_HOME"] = str(folder)
    return dg.DagsterInstance.get()
