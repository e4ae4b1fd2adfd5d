"""What a reader sees: the answer in a sentence, the tables, and one page that needs nothing else."""

from explainfb.report.page import GalleryItem, ReportData, RewardMaps, render_report, write_report
from explainfb.report.stopped_rounds import unfinished
from explainfb.report.tables import faithfulness_summary, summary_table
from explainfb.report.verdict import reach_verdict

__all__ = [
    "GalleryItem",
    "ReportData",
    "RewardMaps",
    "faithfulness_summary",
    "reach_verdict",
    "render_report",
    "summary_table",
    "unfinished",
    "write_report",
]
