"""HTML that data cannot break out of: text becomes markup nowhere but here, and is escaped on the way."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

MOST_ROWS = 200
"""Tables longer than this say how much they leave out."""


class Html(str):
    """Text that is markup already. Everything else is escaped."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Html:
    """An element of these children and attributes, all escaped but Html. Underscores become hyphens; a trailing one
    keeps names apart from Python's own (`class_`).
    """
    shown = "".join(
        f' {key.strip("_").replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{shown}>{joined(children)}</{name}>")


def joined(children: Iterable[object], by: str = "") -> Html:
    """Children one after the other, escaped but Html; None is nothing."""
    return Html(
        by.join(
            child if isinstance(child, Html) else html.escape(str(child)) for child in children if child is not None
        )
    )


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, texts: int = 1) -> Html:
    """A table of the first MOST_ROWS rows, whose columns after the first `texts` are numbers.

    With more than four columns it is `wide`: on a phone each row becomes a block, so every cell carries its column's
    name.
    """
    kinds = ["text" if nth < texts else "number" for nth in range(len(header))]
    head = element("tr", *(element("th", name, class_=kind) for name, kind in zip(header, kinds, strict=True)))
    body = [
        element(
            "tr",
            *(
                element("td", element("span", cell), class_=kind, data_name=name)
                for name, kind, cell in zip(header, kinds, row, strict=True)
            ),
        )
        for row in rows[:MOST_ROWS]
    ]
    left = len(rows) - MOST_ROWS
    return joined(
        [
            element(
                "table",
                element("thead", head),
                element("tbody", *body),
                class_="wide" if len(header) > 4 else "narrow",
            ),
            element("p", f"{left:,} more rows are not shown.", class_="note") if left > 0 else None,
        ]
    )


def data(value: Any) -> Html:
    """A script element that holds JSON and runs nothing. NaN becomes null."""
    # Within a script only `<` could end it or open a comment; JSON may spell it otherwise.
    text = orjson.dumps(value).decode().replace("<", "\\u003c")
    return Html(f'<script type="application/json">{text}</script>')
