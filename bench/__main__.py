"""`bench NAME`: see `bench --help`."""

import bench
from runners import figures


def main() -> None:
    """Entry point of the `bench` command."""
    figures.main(bench)


if __name__ == "__main__":
    main()
