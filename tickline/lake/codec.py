"""The path codec: any text becomes safe path components and back. Nothing else may turn a name into a path.

Every byte outside `a-z 0-9 _ -` is percent-encoded, upper case too, so that names differing only in case stay
apart on file systems that fold it. A component is at most 180 characters; longer text continues in the next
component, marked by a leading `+`. Names that a file system reserves get their first letter encoded.
"""

from pathlib import PurePosixPath

from tickline.errors import LakeError

MAX_TEXT_BYTES = 1024
_COMPONENT = 180
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)


def encode(text: str) -> str:
    """The relative POSIX path that stands for a text; one component unless the text is long.

    Raises LakeError for text longer than 1,024 bytes.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_TEXT_BYTES:
        raise LakeError(f"name of {len(data)} bytes is too long to store (at most {MAX_TEXT_BYTES}): {text[:60]!r}...")
    units = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data]
    if text in _RESERVED:
        units[0] = f"%{data[0]:02X}"
    components, current = [], ""
    for unit in units:
        if len(current) + len(unit) > _COMPONENT:
            components.append(current)
            current = "+"
        current += unit
    components.append(current or "%")
    return "/".join(components)


def decode(path: str) -> str:
    """The text a path stands for. Raises LakeError where no text encodes to it."""
    first, *rest = path.split("/")
    if any(not part.startswith("+") for part in rest):
        raise LakeError(f"not a name in the lake's spelling: {path!r}")
    packed = first + "".join(part[1:] for part in rest)
    try:
        data = b"" if packed == "%" else _unpercent(packed)
        text = data.decode("utf-8", "surrogatepass")
    except ValueError as error:
        raise LakeError(f"not a name in the lake's spelling: {path!r}") from error
    if encode(text) != path:
        raise LakeError(f"not a name in the lake's spelling: {path!r}")
    return text


def partition_path(dataset: str, venue: str, period: str) -> PurePosixPath:
    """Where the derived view shows a partition: `<dataset>/venue=<v>/date=<d>/data.parquet`."""
    return PurePosixPath(encode(dataset)) / f"venue={encode(venue)}" / f"date={encode(period)}" / "data.parquet"


def _unpercent(packed: str) -> bytes:
    pieces = packed.split("%")
    return pieces[0].encode("ascii") + b"".join(
        bytes([int(piece[:2], 16)]) + piece[2:].encode("ascii") for piece in pieces[1:]
    )
