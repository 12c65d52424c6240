"""Markets, candidates and rulings to make mappings of, by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tickline.lake.market_schemas import CANDIDATES, CLEAN_MARKETS
from tickline.lake.schema import NS
from tickline.markets.dependencies import PROPOSED
from tickline.markets.mapping import Known
from tickline.markets.matching import pair_id
from tickline.markets.model import MarketKey, Relation
from tickline.markets.review import Ruling, RulingVerdict
from tickline.markets.spec import MappingSpec, Scoring

DAY = datetime(2026, 3, 8, tzinfo=UTC)
END = DAY + timedelta(days=1)
SPEC = MappingSpec(name="pair", left="a", right="b", scoring=Scoring(accept=0.9))
LISTED = {"venue": pl.String()} | CLEAN_MARKETS.columns
PRICES = {"venue": pl.String(), "market_id": pl.String(), "ts": NS, "mid": pl.Float64()}
NO_PROPOSALS = pl.DataFrame(schema={name: CANDIDATES.columns[name] for name in list(CANDIDATES.columns)[:5]} | PROPOSED)


def market(venue: str, market_id: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(LISTED) | {
        "venue": venue,
        "market_id": market_id,
        "title": f"Will {market_id} happen?",
        "rules": "It resolves to Yes if it happens.",
        "status": "open",
        "ts_close": END + timedelta(days=30),
        "terms_sha256": f"{venue}/{market_id}/1",
        "version": 1,
        "ts_first": DAY,
        "ts_last": END - timedelta(hours=6),
        "raw_row": 0,
    }
    return row | changes


def listed(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=LISTED, orient="row")


def id_of(left: str, right: str, venues: tuple[str, str] = ("a", "b")) -> str:
    return pair_id(MarketKey(venues[0], left), MarketKey(venues[1], right))


def candidate(left: str, right: str, venues: tuple[str, str] = ("a", "b"), **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(CANDIDATES.columns) | {
        "pair_id": id_of(left, right, venues),
        "left_venue": venues[0],
        "left_market": left,
        "right_venue": venues[1],
        "right_market": right,
        "blocks": ["numbers"],
        "score": 0.95,
        "relation": "equivalent",
        "conflicts": [],
    }
    return row | changes


def candidates(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CANDIDATES.columns, orient="row")


def prices(*looks: tuple[str, str, int, float]) -> pl.DataFrame:
    """Looks as (venue, market, hour of the day, mid)."""
    rows = [(venue, market_id, DAY + timedelta(hours=hour), mid) for venue, market_id, hour, mid in looks]
    return pl.DataFrame(rows, schema=PRICES, orient="row")


def known(*rows: dict[str, Any], before: pl.DataFrame | None = None, mids: pl.DataFrame | None = None) -> Known:
    return Known(listed(*rows), listed() if before is None else before, prices() if mids is None else mids, at=END)


def ruling(left: str, right: str, venues: tuple[str, str] = ("a", "b"), **changes: Any) -> Ruling:
    said: dict[str, Any] = {
        "pair_id": id_of(left, right, venues),
        "left": MarketKey(venues[0], left),
        "right": MarketKey(venues[1], right),
        "verdict": RulingVerdict.APPROVED,
        "relation": Relation.EQUIVALENT,
        "subset_side": None,
        "by": "ada",
        "reason": "the same",
        "at": DAY - timedelta(days=2),
        "left_terms": f"{venues[0]}/{left}/1",
        "right_terms": f"{venues[1]}/{right}/1",
    }
    return Ruling(**said | changes)
