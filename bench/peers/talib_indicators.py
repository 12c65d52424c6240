"""TA-Lib's indicators of a Parquet file's columns: `talib_indicators.py IN.parquet OUT.parquet '{"name": {...}}'`.

Runs in the peers' environment. IN has columns open, high, low and close without holes. The JSON names what is wanted,
each with the TA-Lib function, its input columns and its parameters: {"sma_20": {"function": "SMA", "inputs": ["close"],
"parameters": {"timeperiod": 20}}}. OUT has a column for each of its outputs, `sma_20_0` and so on, NaN before warm-up.
"""

import json
import sys

import polars as pl
import talib


def main(given: str, found: str, wanted: str) -> None:
    """Compute what is wanted of the file `given` and write it to the file `found`."""
    columns = {name: column.to_numpy() for name, column in pl.read_parquet(given).to_dict().items()}
    outputs = {}
    for name, ask in json.loads(wanted).items():
        values = getattr(talib, ask["function"])(*(columns[of] for of in ask["inputs"]), **ask["parameters"])
        for at, output in enumerate(values if isinstance(values, tuple) else (values,)):
            outputs[f"{name}_{at}"] = output
    pl.DataFrame(outputs).write_parquet(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
