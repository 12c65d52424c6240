"""What tests of stages share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def small_config() -> Callable[[Path], Path]:
    """Copies the configuration of the small universe into a folder, `config`, to declare more in it."""

    def copy(folder: Path) -> Path:
        config = folder / "config"
        shutil.copytree(ROOT / "tests" / "universe", config)
        layout = yaml.safe_load((config / "tickline.yaml").read_text())
        layout |= {part: str(ROOT / "config" / f"{part}.yaml") for part in ("rules", "conditions")}
        (config / "tickline.yaml").write_text(yaml.safe_dump(layout))
        return config

    return copy
