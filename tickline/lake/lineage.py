"""Walk a partition back to the raw objects it came from."""

from dataclasses import dataclass, replace

from tickline.errors import LakeError
from tickline.lake.catalog import Catalog
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Input, Publication
from tickline.lake.schemas import CARRIED


@dataclass(frozen=True, slots=True)
class Lineage:
    """One node of a lineage tree: a published object, a source object, a piece of configuration or a day of a mart."""

    kind: str
    name: str
    sha256: str
    code: str = ""
    run: str = ""
    rows: int | None = None
    inputs: tuple["Lineage", ...] = ()


def explain(catalog: Catalog, key: PartitionKey) -> Lineage:
    """The lineage tree of a partition's current object, down to source objects.

    What the day before left is named but not walked further, for that leads back day by day to the first.

    Raises LakeError where the partition was never published.
    """
    publication = catalog.current(key)
    if publication is None:
        raise LakeError(f"{key} was never published; `tickline status` shows what is there")
    return walk(catalog, publication)


def walk(catalog: Catalog, publication: Publication) -> Lineage:
    """The lineage tree of one publication, as `explain` gives it."""
    inputs = tuple(_input(catalog, entry) for entry in catalog.inputs_of(publication))
    return replace(_node(publication), inputs=inputs)


def _input(catalog: Catalog, entry: Input) -> Lineage:
    leaf = Lineage(entry.kind, entry.name, entry.sha256)
    if entry.kind != "object":
        return leaf
    key = PartitionKey.parse(entry.name)
    made = [publication for publication in catalog.history(key) if publication.sha256 == entry.sha256]
    if not made:
        return leaf
    return _node(made[-1]) if key.dataset in CARRIED else walk(catalog, made[-1])


def _node(publication: Publication) -> Lineage:
    return Lineage(
        "object",
        str(publication.key),
        publication.sha256,
        publication.code,
        publication.run,
        publication.rows,
    )
