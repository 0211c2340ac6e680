"""The report of a training: one HTML file that needs no network, reads well in print and in the dark."""

from recurra.report.document import Report, render, write_report
from recurra.tasks.sections import Picture, Section, Table

__all__ = ["Picture", "Report", "Section", "Table", "render", "write_report"]
