"""Where each TRIPOD+AI item is answered, or by whom it must be.

A place is ``Section`` or ``Section: Item`` of the model card, or a file of the bundle; several are
parted by ``;``.

Reference: Collins et al. 2024, BMJ 385:e078378, table 2 (items in our words).
"""

from typing import Final

SITE: Final = "not in a generated card: the deploying organisation"
NOT_APPLICABLE: Final = "not applicable"

TRIPOD_AI: Final = (
    ("1", "title", "title"),
    ("2", "abstract", "Specification: What it gives; Evaluation and performance"),
    ("3a", "healthcare context", "Intended use: Intended purpose"),
    (
        "3b",
        "target population and place in the pathway",
        "Intended use: Users; Intended use: In scope; Intended use: Out of scope",
    ),
    (
        "3c",
        "known health inequalities",
        (
            "Ethical considerations: Known inequalities; "
            "Ethical considerations: What the label carries"
        ),
    ),
    ("4", "objectives", "Intended use: Intended purpose; Intended use: Not for"),
    ("5a", "sources of data", "Data: Source; Data: Content hash"),
    ("5b", "dates", "Data: Period"),
    ("6a", "setting", "Data: Source"),
    (
        "6b",
        "eligibility",
        "Intended use: In scope; Intended use: Out of scope; Data: Snapshots out of scope",
    ),
    ("6c", "treatments", SITE),
    ("7", "data preparation", "Data: Spells dropped by the split; Data: Suspected leaks"),
    ("8a", "outcome", "Data: Outcome"),
    ("8b", "assessors of the outcome", "not applicable: the outcome is a count of midnights"),
    ("8c", "blinding to the outcome", "not applicable: computed, not assessed"),
    ("9a", "choice of predictors", "Data: Features; features.json"),
    ("9b", "definition of predictors", "features.json"),
    ("9c", "assessors of predictors", "not applicable: routine records"),
    ("10", "sample size", "Data: Spells; Evaluation and performance: Judged on"),
    ("11", "missing data", "Data: Features; Intended use: Out of scope"),
    ("12a", "use of the data", "Methodology and training: Split"),
    ("12b", "handling of predictors", "features.json; Methodology and training: Feature-set hash"),
    (
        "12c",
        "model building",
        "Methodology and training: Model; Methodology and training: Settings",
    ),
    ("12d", "heterogeneity", "evaluation.json: groups"),
    ("12e", "measures of performance", "Evaluation and performance"),
    ("12f", "updating", "Methodology and training: Recalibrated"),
    (
        "12g",
        "calculation of predictions",
        "Specification: Log-odds and effects; model.json; exits.txt",
    ),
    ("13", "class imbalance", "Methodology and training: Class imbalance"),
    (
        "14",
        "fairness",
        "Ethical considerations: Known inequalities; Ethical considerations: Protected attributes",
    ),
    ("15", "model output", "Specification: What it gives"),
    ("16", "development against evaluation data", "Methodology and training: Split; Data: Spells"),
    ("17", "ethical approval", SITE),
    ("18a", "funding", SITE),
    ("18b", "conflicts of interest", SITE),
    ("18c", "protocol", SITE),
    ("18d", "registration", SITE),
    ("18e", "sharing of data", SITE),
    ("18f", "sharing of code", "Specification: Licence of the code; Specification: Code version"),
    ("19", "patient and public involvement", SITE),
    (
        "20a",
        "flow of participants",
        "Data: Spells; Data: Spells dropped by the split; Data: Snapshots out of scope",
    ),
    ("20b", "characteristics of participants", "evaluation.json: groups"),
    (
        "20c",
        "comparison with development data",
        "Data: Spells; Methodology and training: Calibration",
    ),
    ("21", "participants and events", "Evaluation and performance: Judged on"),
    ("22", "full model", "model.json; exits.txt"),
    ("23a", "performance", "Evaluation and performance"),
    (
        "23b",
        "heterogeneity of performance",
        "evaluation.json: groups; Ethical considerations: Not judged, too few",
    ),
    ("24", "results of updating", "not applicable: each version is a new run"),
    ("25", "interpretation", "Evaluation and performance; Ethical considerations"),
    ("26", "limitations", "Caveats"),
    ("27a", "poor or missing input", "Specification: What it gives; Intended use: Out of scope"),
    ("27b", "interaction and expertise of users", "Intended use: Users; Intended use: Not for"),
    ("27c", "next steps", "Caveats: Limits"),
)
"""Item, what it asks for, and where: sections and items of the card, and files of the bundle."""
