"""Sizing: how capital is split between strategies or instruments, and how much of it each trade may use."""
