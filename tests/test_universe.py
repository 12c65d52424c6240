"""A universe is refused as a whole where its parts contradict each other."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tickline.errors import ConfigError
from tickline.universe import load_universe

CONFIG = Path(__file__).parents[1] / "config"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def change(folder: Path, venue: str, **fields: Any) -> None:
    path = folder / "venues" / f"{venue}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fields))


def refusal(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_universe(folder)
    return str(refused.value).splitlines()


def test_a_parameter_that_no_rule_knows_is_refused_with_its_file_place_and_the_known_names(folder: Path) -> None:
    change(folder, "coinsim", parameters={"max_agee_s": 5})
    known = ", ".join(sorted(yaml.safe_load((CONFIG / "rules.yaml").read_text())["parameters"]["default"]))
    assert refusal(folder) == [
        f"{folder}/venues/coinsim.yaml: parameters.max_agee_s: is no parameter of a rule; there are {known}"
    ]


def test_every_venue_and_instrument_with_an_unfit_parameter_is_named(folder: Path) -> None:
    instruments = yaml.safe_load((CONFIG / "venues" / "nysim.yaml").read_text())["instruments"]
    change(folder, "nysim", instruments=[instruments[0] | {"parameters": {"typo": 1}}, *instruments[1:]])
    change(folder, "fxsim", parameters={"jump_confirm": 65})
    fx, ny = refusal(folder)
    assert fx == f"{folder}/venues/fxsim.yaml: parameters.jump_confirm: must lie from 1 to 64 (got 65)"
    assert ny.startswith(
        f"{folder}/venues/nysim.yaml: instruments.{instruments[0]['name']}.parameters.typo: is no para"
    )


def test_a_default_beyond_what_a_scan_can_count_is_refused_with_its_place(folder: Path) -> None:
    path = folder / "rules.yaml"
    document = yaml.safe_load((CONFIG / "rules.yaml").read_text())
    document["parameters"]["default"]["frozen_rows"] = 0
    path.write_text(yaml.safe_dump(document))
    (line,) = refusal(folder)
    assert line.startswith(f"{path}:")
    assert "default: frozen_rows must lie from 1 to 1e+09 (got 0)" in line


def test_a_table_of_sale_conditions_that_is_not_declared_is_refused(folder: Path) -> None:
    change(folder, "nysim", conditions="utp")
    (line,) = refusal(folder)
    assert line.startswith(
        f"{folder}/venues/nysim.yaml: conditions: no such table is declared (got 'utp'); there are cta,"
    )
