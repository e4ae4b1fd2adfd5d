"""Is my training broken? The checks that practitioners run by hand, each with what was expected and what was seen.

Neural networks fail silently. Most of these checks are in Karpathy, "A Recipe for Training Neural Networks" (2019).
"""

from explainfb.doctor.examination import examine, examine_classifier
from explainfb.doctor.report import print_findings
from explainfb.doctor.setup import Finding, Loss, Predict, Train

__all__ = ["Finding", "Loss", "Predict", "Train", "examine", "examine_classifier", "print_findings"]
