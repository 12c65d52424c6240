"""How long an answer's headers ask to wait."""

import pytest

from tickline.sources.patience import pause_s

DATE = "Fri, 06 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("Fri, 06 Mar 2026 12:00:45 GMT", 45.0),
        ("Fri, 06 Mar 2026 11:59:00 GMT", 0.0),
        ("Sat, 07 Mar 2026 12:00:00 GMT", 86_400.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("1e9", 0.0),
        ("٣", 0.0),
        ("", 0.0),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_no_pause(asked: str, seconds: float) -> None:
    assert pause_s({"retry-after": asked, "date": DATE}) == seconds


def test_no_header_is_no_pause_and_a_date_without_the_servers_own_cannot_be_measured() -> None:
    assert pause_s({}) == 0.0
    assert pause_s({"retry-after": "Fri, 06 Mar 2026 12:00:45 GMT"}) == 0.0
