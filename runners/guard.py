"""What keeps other web pages out of the local Dagster UI.

The stock webserver has no login and accepts mutations by GET, from any Origin and under any Host, so any page open in
the operator's browser could launch a run. Loopback alone does not stop that; these rules do.
"""

from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_OUTSIDE_REPORTS = ("/report_asset_materialization", "/report_asset_check", "/report_asset_observation")
_JSON = "application/json"


class Guard:
    """ASGI middleware: lets through what the UI itself asks, refuses the rest with 403."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self._app = app
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] in ("http", "websocket"):
            why = refusal(scope, self._hosts)
            if why is not None:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008, "reason": why})
                    return
                await PlainTextResponse(f"refused: {why}", status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def refusal(scope: Scope, hosts: frozenset[str]) -> str | None:
    """Why a request is refused, or None where it is served."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if headers.get("host") not in hosts:
        return "not addressed to this machine's own UI (DNS rebinding)"
    if "origin" in headers and urlsplit(headers["origin"]).netloc not in hosts:
        return "sent by another site's page"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return "sent by another site's page"
    return _bad_call(scope, headers)


def _bad_call(scope: Scope, headers: dict[str, str]) -> str | None:
    path = scope["path"]
    if path.startswith(_OUTSIDE_REPORTS):
        return "asset events are reported by runs, not over HTTP"
    if path.rstrip("/") == "/graphql" and scope["type"] == "http":
        if scope["method"] != "POST":
            return "GraphQL takes POST only"
        if headers.get("content-type", "").split(";")[0].strip() != _JSON:
            return "GraphQL takes JSON only"
    return None
