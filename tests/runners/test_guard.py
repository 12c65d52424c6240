"""Twelve ways another page could drive the UI, and the UI's own requests."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from runners.guard import Guard

OWN = "http://127.0.0.1:3000"
MUTATION = {"query": "mutation { launchRun }"}


async def served(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("served")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [
        Route("/{path:path}", served, methods=["GET", "POST", "PUT", "DELETE"]),
        WebSocketRoute("/graphql", socket),
    ]
    return TestClient(Guard(Starlette(routes=routes), port=3000), base_url=OWN)


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/graphql?query=mutation{launchRun}", {}),
        ("GET", "/graphql/?query=mutation{launchRun}", {}),
        ("PUT", "/graphql", {"json": MUTATION}),
        ("POST", "/graphql", {"json": MUTATION, "headers": {"Origin": "http://evil.example"}}),
        ("POST", "/graphql", {"json": MUTATION, "headers": {"Origin": "null"}}),
        ("POST", "/graphql", {"json": MUTATION, "headers": {"Host": "evil.example:3000"}}),
        ("POST", "/graphql", {"json": MUTATION, "headers": {"Host": "127.0.0.1.evil.example:3000"}}),
        ("POST", "/graphql", {"json": MUTATION, "headers": {"Sec-Fetch-Site": "cross-site"}}),
        ("POST", "/graphql", {"content": b'{"query":"mutation{a}"}', "headers": {"Content-Type": "text/plain"}}),
        ("POST", "/graphql", {"data": {"query": "mutation{a}"}}),
        ("POST", "/report_asset_materialization/a", {"json": {}}),
        ("POST", "/report_asset_check/a", {"json": {}}),
    ],
)
def test_what_another_page_could_send_is_refused(
    client: TestClient, method: str, path: str, options: dict[str, object]
) -> None:
    assert client.request(method, path, **options).status_code == 403  # type: ignore[arg-type]


def test_the_ui_itself_is_served(client: TestClient) -> None:
    own = {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}
    assert client.get("/").text == "served"
    assert client.post("/graphql", json={"query": "{ version }"}, headers=own).text == "served"


def test_a_socket_is_opened_for_the_ui_and_no_other_page(client: TestClient) -> None:
    with client.websocket_connect("/graphql", headers={"Host": "127.0.0.1:3000", "Origin": OWN}):
        pass
    foreign = client.websocket_connect("/graphql", headers={"Host": "127.0.0.1:3000", "Origin": "http://evil.example"})
    with pytest.raises(WebSocketDisconnect), foreign:
        pass
