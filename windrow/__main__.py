"""The program `windrow`, and `python -m windrow`: the command line."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; told to end while that is still being imported, it says so in a line, too."""
    try:
        from windrow.flows.commands.cli import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
