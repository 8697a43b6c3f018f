"""One line, in two places: the flow run's log in Prefect, and the log of the command that runs the flow."""

import logging

from prefect import get_run_logger


def say(text: str) -> None:
    """Log a line."""
    get_run_logger().info(text)
    logging.getLogger("windrow").info(text)
