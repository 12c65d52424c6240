"""Fault injection, simulation, fuzzing and oracles: one module a command, each printing its figure."""
