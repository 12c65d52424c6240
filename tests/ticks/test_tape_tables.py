"""The shipped sale-condition tables say what the tapes and LEAN's bars say of a print."""

from pathlib import Path

import pytest

from tickline.errors import ConfigError
from tickline.ticks.conditions import BITS, load_conditions

TABLES = Path(__file__).parents[2] / "config" / "conditions.yaml"
ALL = frozenset({"open", "high_low", "last", "volume"})
VOLUME = frozenset({"volume"})


def sets(table: str, delivered: str) -> frozenset[str]:
    allowed = load_conditions(TABLES)[table].sets(delivered)
    return frozenset(name for name, bit in BITS.items() if allowed & bit)


@pytest.mark.parametrize(
    ("delivered", "allowed"),
    [
        ("1", ALL),  # regular
        ("20000020", ALL),  # intermarket sweep
        ("20000040", ALL),  # opening print
        ("20002000", ALL),  # extended hours
        ("4800", ALL - {"open", "last"}),  # sold, out of sequence
        ("20000200", ALL - {"open", "last"}),  # derivatively priced
        ("20100200", VOLUME),  # average price
        ("20000008", VOLUME),  # seller's option
        ("4000000", frozenset()),  # official open: the opening prints are its volume
        ("1000001", frozenset()),  # official close
        ("2000!", frozenset()),  # suspicious
    ],
)
def test_the_tapes_own_table(delivered: str, allowed: frozenset[str]) -> None:
    assert sets("cta", delivered) == allowed


@pytest.mark.parametrize(
    ("delivered", "allowed"),
    [("1", ALL), ("20000020", VOLUME), ("20002020", ALL), ("20000200", VOLUME), ("4800", ALL - {"open", "last"})],
)
def test_in_leans_bars_sweeps_set_prices_outside_regular_hours_only(delivered: str, allowed: frozenset[str]) -> None:
    assert sets("lean", delivered) == allowed


def test_a_suspicious_print_counts_in_leans_volume_only() -> None:
    assert sets("lean", "20002000!") == VOLUME


def test_an_exception_must_be_a_code_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "conditions.yaml"
    path.write_text('t: {decode: hex_bits, codes: [{code: "2", name: cash, may_not_set: [open], unless: "3"}]}')
    with pytest.raises(ConfigError, match="'3' of cash is not one hexadecimal bit"):
        load_conditions(path)
