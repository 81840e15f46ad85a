"""How forecasts are judged: discrimination, calibration, coverage, use of a hub's capacity.

Arrays in, figures with intervals out; no files, no MLflow. What every figure means is in
docs/training.md.
"""

from models.judging.alerts import judge_alerts
from models.judging.capacity import Lists, judge_lists
from models.judging.coverage import judge_coverage
from models.judging.decision import judge_decision
from models.judging.estimate import Estimate, difference
from models.judging.lead import judge_lead
from models.judging.metrics import METRICS, judge
from models.judging.sample import Sample

__all__ = [
    "METRICS",
    "Estimate",
    "Lists",
    "Sample",
    "difference",
    "judge",
    "judge_alerts",
    "judge_coverage",
    "judge_decision",
    "judge_lead",
    "judge_lists",
]
