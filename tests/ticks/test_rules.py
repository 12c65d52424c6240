import re

import pytest

from tickline.errors import ConfigError
from tickline.lake.schemas import Feed
from tickline.ticks.rules import load_rules

PARAMETERS = """\
parameters:
  default: {consecutive_seq: 0, seq_over_midnight: 0, silence_s: 600, limit: 1}
  kinds: {fx: {limit: 2}}
"""


def load(tmp_path, rules: str, parameters: str = PARAMETERS):
    path = tmp_path / "rules.yaml"
    path.write_text(parameters + "rules:\n" + rules)
    return load_rules(path)


def test_a_rule_is_its_text_and_fits_its_feed(tmp_path) -> None:
    loaded = load(tmp_path, "  - {name: big, feeds: [trades], when: size > limit, reason: 'size {size}'}\n")

    assert [rule.name for rule in loaded.of(Feed.TRADES)] == ["big"]
    assert loaded.of(Feed.QUOTES) == ()


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("{name: x, feeds: [quotes], when: price > 0, reason: r}", "rule x on quotes: 'price'"),
        ("{name: x, feeds: [trades], when: limt > 0, reason: r}", "unknown name"),
        ("{name: x, feeds: [trades], when: price > 0, reason: 'at {prise}'}", "the reason names prise"),
        ("{name: x, feeds: [trades], when: price > 0, reason: 'at {'}", "rule x: reason"),
        ("{name: x, feeds: [trades], reason: r}", "either `when` or `scan`"),
        ("{name: x, feeds: [trades], when: price > 0, scan: jumps, reason: r}", "either `when` or `scan`"),
        ("{name: x, feeds: [trades], scan: frozen, reason: r}", "scan frozen cannot judge trades"),
        ("{name: x, feeds: [trades], scan: jumps, reason: r}", "lacks jump_confirm, jump_floor, jump_ratio"),
        ("{name: x, feeds: [trades], scan: repeats, severity: note, reason: r}", "a scan can only reject"),
        ("{name: x, feeds: [trades], when: price > 0, reason: r, extra: 1}", "extra"),
        ("{name: x, feeds: [candles], when: price > 0, reason: r}", "feeds"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_load_with_its_place(tmp_path, rule, complaint) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)) as refusal:
        load(tmp_path, f"  - {rule}\n")
    assert "rules.yaml:" in str(refusal.value)


def test_scans_come_after_every_condition(tmp_path) -> None:
    rules = (
        "  - {name: copy, feeds: [trades], scan: repeats, reason: r}\n"
        "  - {name: big, feeds: [trades], when: size > 1, reason: r}\n"
    )
    with pytest.raises(ConfigError, match="rule big follows the scan copy"):
        load(tmp_path, rules)


def test_a_book_is_followed_before_it_is_searched_for_crossings(tmp_path) -> None:
    chain, cross = (
        f"  - {{name: {scan}, feeds: [book], scan: {scan}, reason: r}}\n" for scan in ("book_chain", "book_cross")
    )
    assert len(load(tmp_path, chain + cross).rules) == 2
    for rules in (cross, cross + chain):
        with pytest.raises(ConfigError, match="book_cross needs a rule with the scan book_chain before it"):
            load(tmp_path, rules)


def test_parameters_are_declared_before_they_are_overridden(tmp_path) -> None:
    rule = "  - {name: big, feeds: [trades], when: size > 1, reason: r}\n"
    with pytest.raises(ConfigError, match="fx: limt has no default"):
        load(tmp_path, rule, PARAMETERS.replace("{limit: 2}", "{limt: 2}"))
    with pytest.raises(ConfigError, match="parameter price would hide"):
        load(tmp_path, rule, PARAMETERS.replace("limit: 1", "limit: 1, price: 2"))
