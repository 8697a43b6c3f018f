"""The report of a run: one self-contained HTML page."""

from windrow.tasks.report.page import report_of, write_report
from windrow.tasks.report.thumbnails import sample_reader

__all__ = ["report_of", "sample_reader", "write_report"]
