"""Sensors evaluated as the daemon does, with the lake of the environment."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from orchestration.resources import lake_resource

Evaluate = Callable[..., SensorExecutionData]


@pytest.fixture
def evaluate() -> Iterator[Evaluate]:
    """One tick of a sensor from a cursor, among some assets."""
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(
            sensor: dg.SensorDefinition,
            cursor: str | None = None,
            assets: Sequence[dg.AssetsDefinition] = (),
        ) -> SensorExecutionData:
            definitions = dg.Definitions(assets=assets, sensors=[sensor], resources={"lake": lake_resource()})
            with dg.build_sensor_context(
                instance=instance, definitions=definitions, resources={"lake": lake_resource()}, cursor=cursor
            ) as context:
                return sensor.evaluate_tick(context)

        yield tick
