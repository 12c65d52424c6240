"""The derived view: `view/<dataset>/venue=<v>/date=<d>/data.parquet`, links for engines that read folders.

It is never read by Tickline itself and can be rebuilt from the catalog at any time.
"""

import os
from pathlib import Path

from tickline.lake.catalog import Catalog
from tickline.lake.codec import partition_path
from tickline.lake.records import ObjectState, Publication
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
        # Always the same name: what a crash leaves of it, the next try removes.
        fresh = link.with_name(f".{publication.sha256[:16]}")
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

    def rebuild(self, catalog: Catalog) -> int:
        """Make the view show exactly the current publications whose bytes are here; returns how many links went.

        Others may publish meanwhile: links are listed before the catalog is asked, and each publication is read just
        before it is shown.
        """
        stale = set(self.root.rglob("*.parquet"))
        for key in catalog.everything():
            for publication in catalog.currents([key]).values():
                if publication.state is ObjectState.PRESENT:
                    self.show(publication)
                    stale.discard(self._link(publication))
        for link in stale:
            link.unlink(missing_ok=True)
        return len(stale)

    def _link(self, publication: Publication) -> Path:
        key = publication.key
        return self.root / partition_path(key.dataset, key.venue, key.period)
