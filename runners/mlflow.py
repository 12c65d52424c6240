"""A copy of the registry in an MLflow tracking server, for those whose models are listed there.

The catalog stays the one that counts: what MLflow says is never read back. Each version of a strategy is a model
version with its rank, who said so and why as tags; the aliases `candidate` and `approved` stand at the version that is.
REST API 2.0: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import orjson

from tickline.errors import ConfigError, SourceError
from tickline.lake.registry import Entry, Rank

ALIASES = (Rank.CANDIDATE, Rank.APPROVED)
MOST_OF_A_TAG = 5_000
"""MLflow refuses longer values."""


class Mlflow:
    """An MLflow server by the address of its root, such as http://127.0.0.1:5000.

    Raises ConfigError for another kind of address.
    """

    def __init__(self, address: str, *, seconds: float = 30) -> None:
        if urlsplit(address).scheme not in {"http", "https"}:
            raise ConfigError(f"{address!r} is no address of an MLflow server; give one such as http://127.0.0.1:5000")
        self._root, self._seconds = address.rstrip("/"), seconds

    def mirror(self, strategy: str, said: Sequence[Entry]) -> int:
        """Bring a strategy's model up to everything said of it (oldest first); how many versions it then has.

        To do it again changes nothing. Raises SourceError where the server cannot be reached or refuses.
        """
        newest = {entry.version: entry for entry in said}
        if not newest:
            return 0
        self._create("registered-models/create", {"name": strategy, "description": "A strategy of Tickline's registry"})
        known = self._versions(strategy)
        for version, entry in newest.items():
            if version not in known:
                known[version] = self._add(strategy, version)
            for key, value in _tags(entry).items():
                body = {"name": strategy, "version": known[version], "key": key, "value": value}
                self._ask("POST", "model-versions/set-tag", body)
        for rank in ALIASES:
            self._point(strategy, rank, known[said[-1].version] if said[-1].rank is rank else None)
        return len(newest)

    def _versions(self, strategy: str) -> dict[str, str]:
        """The number MLflow gave each version."""
        found: dict[str, str] = {}
        page = ""
        while True:
            asked = urlencode({"filter": f"name='{strategy}'", "max_results": 1_000, "page_token": page})
            answer = self._ask("GET", f"model-versions/search?{asked}")
            for one in answer.get("model_versions", []):
                tags = {tag["key"]: tag["value"] for tag in one.get("tags", [])}
                if "tickline.version" in tags:
                    found[tags["tickline.version"]] = one["version"]
            page = answer.get("next_page_token", "")
            if not page:
                return found

    def _add(self, strategy: str, version: str) -> str:
        tags = [{"key": "tickline.version", "value": version}]
        body = {"name": strategy, "source": f"tickline://registry/{strategy}/{version}", "tags": tags}
        return str(self._ask("POST", "model-versions/create", body)["model_version"]["version"])

    def _point(self, strategy: str, rank: Rank, version: str | None) -> None:
        alias = {"name": strategy, "alias": rank.value}
        if version is None:
            self._ask("DELETE", "registered-models/alias", alias)
        else:
            self._ask("POST", "registered-models/alias", {**alias, "version": version})

    def _create(self, path: str, body: Mapping[str, object]) -> None:
        try:
            self._ask("POST", path, body)
        except SourceError as error:
            if "RESOURCE_ALREADY_EXISTS" not in str(error):
                raise

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        request = Request(  # noqa: S310 - the scheme was looked at
            f"{self._root}/api/2.0/mlflow/{path}",
            data=None if body is None else orjson.dumps(body),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urlopen(request, timeout=self._seconds) as answer:  # noqa: S310
                said: dict[str, Any] = orjson.loads(answer.read() or b"{}")
                return said
        except HTTPError as error:
            refused = error.read(2_000).decode("utf-8", "replace")
            raise SourceError(f"MLflow at {self._root} refused {path.partition('?')[0]}: {refused}") from error
        except (URLError, TimeoutError, orjson.JSONDecodeError) as error:
            raise SourceError(f"no MLflow server answers at {self._root}: {error}; start it, or mend --to") from error


def _tags(entry: Entry) -> dict[str, str]:
    evidence = orjson.dumps(dict(entry.evidence), option=orjson.OPT_SORT_KEYS)
    said = {
        "rank": entry.rank.value,
        "said_by": entry.said_by,
        "why": entry.why,
        "said_at": entry.said_at.isoformat(),
        "partitions": str(len(entry.evidence)),
        "evidence_sha256": hashlib.sha256(evidence).hexdigest(),
    }
    return {f"tickline.{key}": value[:MOST_OF_A_TAG] for key, value in said.items()}
