"""`python -m windrow`: the command line."""

from windrow.flows.commands.cli import main

if __name__ == "__main__":
    main()
