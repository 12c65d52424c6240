"""A lane as the process of its own: structure and quotes as arrays that processes can share, and back.

Frames travel as Arrow, so nothing is unpickled; quotes keep their layout from cycle to cycle as long as the markets do.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from tickline.errors import LaneError
from tickline.lanes.book import Book
from tickline.lanes.messages import Found, found_to
from tickline.lanes.model import Lane
from tickline.lanes.pricing import PricingSettings, price
from tickline.lanes.structure import compiled

Arrays = Mapping[str, npt.NDArray[Any]]

_OF_BOOK = ("bid", "ask", "bid_size", "ask_size", "ts_quote", "is_open", "fee", "fee_unit", "partition", "input_row")
_PARTITIONS_BYTES = 1 << 14


def structure_arrays(
    baskets: pl.DataFrame, legs: pl.DataFrame, markets: pl.DataFrame, settings: PricingSettings
) -> dict[str, npt.NDArray[Any]]:
    """What `prepare` makes a lane of: BASKETS, BASKET_LEGS and CLEAN_MARKETS with `venue`, of all lanes."""
    frames = {"baskets": baskets, "legs": legs, "markets": markets}
    told = {"settings": _bytes_array(settings.model_dump_json().encode())}
    return {name: _bytes_array(_ipc(frame)) for name, frame in frames.items()} | told


def book_arrays(book: Book) -> dict[str, npt.NDArray[Any]]:
    """The quotes of one moment, laid out alike for books of the same markets.

    Raises LaneError where quotes are from more partitions than there is room to name.
    """
    named = orjson.dumps(book.partitions)
    if len(named) > _PARTITIONS_BYTES:
        raise LaneError(f"quotes are from {len(book.partitions)} partitions, too many to share in one cycle")
    return {name: getattr(book, name) for name in _OF_BOOK} | {
        "partitions": _bytes_array(named.ljust(_PARTITIONS_BYTES))
    }


def book_from(arrays: Arrays, ts_ns: int) -> Book:
    """The book of such arrays, at the moment `ts_ns`; it reads them where they are."""
    partitions = tuple(tuple(one) for one in orjson.loads(arrays["partitions"].tobytes()))
    return Book(ts_ns=ts_ns, partitions=partitions, **{name: arrays[name] for name in _OF_BOOK})


def prepare(lane: Lane, structure: Arrays) -> Callable[[Arrays, int], bytes]:
    """The lane's part of the structure, compiled; what is called in each cycle gives what it finds as bytes."""
    frames = {name: pl.read_ipc(io.BytesIO(structure[name].tobytes())) for name in ("baskets", "legs", "markets")}
    baskets = frames["baskets"].filter(pl.col("lane") == lane)
    legs = frames["legs"].join(baskets.select("basket_id"), on="basket_id", how="semi")
    own = compiled(baskets, legs, frames["markets"])
    settings = PricingSettings.model_validate_json(structure["settings"].tobytes())

    def look(quotes: Arrays, ts_ns: int) -> bytes:
        priced = price(own, book_from(quotes, ts_ns), settings)
        return found_to(Found(priced.opportunities, tuple(sorted(priced.reasons.items()))))

    return look


def _ipc(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


def _bytes_array(content: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(content, dtype=np.uint8)
