"""The derived view: `view/<dataset>/venue=<v>/date=<d>/data.parquet`, links for engines that read folders.

It is never read by Tickline itself and can be rebuilt from the catalog at any time.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from tickline.lake.catalog import ObjectState, Publication
from tickline.lake.codec import partition_path
from tickline.lake.storage import Storage, object_name, os_errors_explained


class View:
    """Links from partition paths to the objects of a directory lake."""

    def __init__(self, root: Path, storage: Storage) -> None:
        self.root = root
        self._storage = storage

    def show(self, publication: Publication) -> None:
        """Point a partition's path at its current object, in one atomic rename."""
        link = self._link(publication)
        target = os.path.relpath(self._storage.uri(object_name(publication.sha256)), link.parent)
        if link.is_symlink() and os.readlink(link) == target:  # noqa: PTH115
            return
        fresh = link.with_name(f".{publication.sha256[:16]}.{os.getpid()}")
        with os_errors_explained(f"{link} could not be linked", f"{publication.key} itself is published"):
            link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(target)
            fresh.replace(link)

    def hide(self, publication: Publication) -> None:
        """Remove a partition's path, so that no engine follows a link to expired bytes."""
        link = self._link(publication)
        with os_errors_explained(f"{link} could not be removed", "Its object is still in the lake"):
            link.unlink(missing_ok=True)

    def rebuild(self, published: Iterable[Publication]) -> int:
        """Make the view show exactly those publications whose bytes are here; returns how many stale links went."""
        wanted = set()
        for publication in published:
            if publication.state is ObjectState.PRESENT:
                self.show(publication)
                wanted.add(self._link(publication))
        stale = [link for link in self.root.rglob("*") if link.is_symlink() and link not in wanted]
        for link in stale:
            link.unlink()
        return len(stale)

    def _link(self, publication: Publication) -> Path:
        key = publication.key
        return self.root / partition_path(key.dataset, key.venue, key.period)
