"""`qa NAME`: see `qa --help`."""

import qa
from runners import figures


def main() -> None:
    """Entry point of the `qa` command."""
    figures.main(qa)


if __name__ == "__main__":
    main()
