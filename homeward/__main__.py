"""Where the ``homeward`` console script and ``python -m homeward`` begin."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from homeward.shell import run  # late: an interrupt while it loads leaves quietly too

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
