"""Walk a partition back to the raw objects it came from."""

from dataclasses import dataclass

from tickline.errors import LakeError
from tickline.lake.catalog import Catalog
from tickline.lake.keys import PartitionKey


@dataclass(frozen=True, slots=True)
class Lineage:
    """One node of a lineage tree: a published object, a source object or a piece of configuration."""

    kind: str
    name: str
    sha256: str
    code: str = ""
    run: str = ""
    rows: int | None = None
    inputs: tuple["Lineage", ...] = ()


def explain(catalog: Catalog, key: PartitionKey) -> Lineage:
    """The lineage tree of a partition's current object, down to source objects.

    Raises LakeError where the partition was never published.
    """
    publication = catalog.current(key)
    if publication is None:
        raise LakeError(f"{key} was never published; `tickline status` shows what is there")
    return _walk(catalog, key, publication.sha256)


def _walk(catalog: Catalog, key: PartitionKey, sha256: str) -> Lineage:
    made = [publication for publication in catalog.history(key) if publication.sha256 == sha256]
    if not made:
        return Lineage("object", str(key), sha256)
    publication = made[-1]
    inputs = tuple(
        _walk(catalog, PartitionKey.parse(entry.name), entry.sha256)
        if entry.kind == "object"
        else Lineage(entry.kind, entry.name, entry.sha256)
        for entry in catalog.inputs_of(publication)
    )
    return Lineage("object", str(key), sha256, publication.code, publication.run, publication.rows, inputs)
