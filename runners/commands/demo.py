"""`tickline demo`: the whole pipeline on a synthetic universe, and what came of it."""


def demo() -> None:
    """Run everything."""
