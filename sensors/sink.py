"""Where alerts go: any service apprise knows, or a file."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import apprise
import orjson

from tickline.errors import ConfigError

# What apprise logs repeats URLs as they were given, secrets and all.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


def notify(home: Path, *, title: str, body: str) -> None:
    """Deliver an alert to every URL of TICKLINE_ALERTS (comma-separated; default file://alerts.jsonl under the home).

    Raises ConfigError where a URL is not understood, and RuntimeError where a delivery failed; the message does not
    repeat the URL, which may hold a secret.
    """
    urls = [url.strip() for url in os.environ.get("TICKLINE_ALERTS", "file://alerts.jsonl").split(",") if url.strip()]
    services, files = apprise.Apprise(), []
    for number, url in enumerate(urls, start=1):
        if url.startswith("file://"):
            files.append(home / url.removeprefix("file://"))
        elif not services.add(url):
            raise ConfigError(f"TICKLINE_ALERTS: entry {number} is not a URL apprise knows; see its list of services")
    if len(services) and not services.notify(title=title, body=body):
        raise RuntimeError("an alert could not be delivered; it will be tried again")
    # Last, so that what is tried again does not stand in a file twice.
    for file in files:
        _append(file, title, body)


def _append(path: Path, title: str, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = orjson.dumps({"at": datetime.now(UTC), "title": title, "body": body}, option=orjson.OPT_APPEND_NEWLINE)
    with path.open("ab") as out:
        out.write(line)
