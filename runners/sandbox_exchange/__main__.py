"""Serve the demo universe until interrupted.

Example: `python -m runners.sandbox_exchange --port 8100 --fault-rate 0.1`, then
`curl 'http://127.0.0.1:8100/api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=5'`.
"""

import asyncio
from typing import Annotated

import typer

from runners.sandbox_exchange.faults import GARBAGE, LOST, PAUSES, REPEATED, at_random
from runners.sandbox_exchange.server import Sandbox
from runners.sandbox_exchange.universe import demo


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8100,
    seed: Annotated[int, typer.Option(help="of the universe and of the faults")] = 1,
    fault_rate: Annotated[float, typer.Option(min=0, max=1, help="share of calls that go wrong")] = 0.0,
) -> None:
    """Serve the demo universe until interrupted."""
    try:
        asyncio.run(_serve(port, seed, fault_rate))
    except KeyboardInterrupt:
        print("stopped")


async def _serve(port: int, seed: int, fault_rate: float) -> None:
    plan = at_random(seed, fault_rate, LOST + GARBAGE + PAUSES + REPEATED)
    async with Sandbox(demo(seed=seed), plan=plan, port=port) as sandbox:
        print(f"sandbox exchange on {sandbox.url} (api.binance.com, external-api.kalshi.com); stop with Ctrl-C")
        await asyncio.Event().wait()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, help=__doc__)
    app.command(help=__doc__)(serve)
    app(prog_name="python -m runners.sandbox_exchange")
