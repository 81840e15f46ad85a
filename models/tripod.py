"""Where each TRIPOD+AI item is answered, or by whom it must be.

Reference: Collins et al. 2024, BMJ 385:e078378, table 2 (items in our words).
"""

from typing import Final

_SITE: Final = "not in a generated card: the deploying organisation"

TRIPOD_AI: Final = (
    ("1", "title", "title"),
    ("2", "abstract", "report, first page"),
    ("3a", "healthcare context", "Intended use"),
    ("3b", "target population and place in the pathway", "Intended use"),
    ("3c", "known health inequalities", "Ethical considerations"),
    ("4", "objectives", "Intended use"),
    ("5a", "sources of data", "Data"),
    ("5b", "dates", "Data"),
    ("6a", "setting", "Data"),
    ("6b", "eligibility", "Intended use"),
    ("6c", "treatments", _SITE),
    ("7", "data preparation", "Data; the mapping file of the dataset"),
    ("8a", "outcome", "Data"),
    ("8b", "assessors of the outcome", "not applicable: the outcome is a count of midnights"),
    ("8c", "blinding to the outcome", "not applicable: computed, not assessed"),
    ("9a", "choice of predictors", "Data; features.json of the bundle"),
    ("9b", "definition of predictors", "features.json of the bundle"),
    ("9c", "assessors of predictors", "not applicable: routine records"),
    ("10", "sample size", "Data; Evaluation and performance"),
    ("11", "missing data", "Data"),
    ("12a", "use of the data", "Methodology and training"),
    ("12b", "handling of predictors", "Methodology and training; features.json of the bundle"),
    ("12c", "model building", "Methodology and training"),
    ("12d", "heterogeneity", "Evaluation by site in the report"),
    ("12e", "measures of performance", "Evaluation and performance"),
    ("12f", "updating", "Methodology and training"),
    ("12g", "calculation of predictions", "Specification; the bundle itself"),
    ("13", "class imbalance", "Methodology and training"),
    ("14", "fairness", "Ethical considerations"),
    ("15", "model output", "Specification"),
    ("16", "development against evaluation data", "Data"),
    ("17", "ethical approval", _SITE),
    ("18a", "funding", _SITE),
    ("18b", "conflicts of interest", _SITE),
    ("18c", "protocol", _SITE),
    ("18d", "registration", _SITE),
    ("18e", "sharing of data", _SITE),
    ("18f", "sharing of code", "Specification"),
    ("19", "patient and public involvement", _SITE),
    ("20a", "flow of participants", "Data"),
    ("20b", "characteristics of participants", "report, groups"),
    ("20c", "comparison with development data", "Evaluation and performance"),
    ("21", "participants and events", "Evaluation and performance"),
    ("22", "full model", "the bundle: text and JSON"),
    ("23a", "performance", "Evaluation and performance"),
    ("23b", "heterogeneity of performance", "report, groups"),
    ("24", "results of updating", "not applicable: each version is a new run"),
    ("25", "interpretation", "Evaluation and performance; Ethical considerations"),
    ("26", "limitations", "Caveats"),
    ("27a", "poor or missing input", "Specification: missing and completeness of each score"),
    ("27b", "interaction and expertise of users", "Intended use"),
    ("27c", "next steps", "Caveats"),
)
"""Item, what it asks for, and where it is answered."""
