"""The items of TRIPOD+AI, with what is known of each.

Collins, G. S., et al. (2024). TRIPOD+AI statement: updated guidance for reporting clinical
prediction models that use regression or machine learning methods. BMJ 385, e078378. The items are
told here in words of our own; the checklist itself is the one to go by.
"""

from __future__ import annotations

from skedema._pages import Section, Table

STATE = "Author to state"
#: Number, what is asked for, and the section of this page that says something of it ("": none).
ITEMS = (
    (
        "1",
        "Title: that a prediction model is developed or evaluated, for whom, of what outcome",
        "",
    ),
    ("2", "Abstract, by the checklist for abstracts", ""),
    ("3a", "Health care context, and why a model is wanted; models that exist", ""),
    ("3b", "Whom it is for, its intended purpose in the pathway of care, its intended users", ""),
    ("3c", "Known inequalities of health between groups", ""),
    ("4", "Aims, and whether the model is developed, validated or both", ""),
    ("5a", "Where the data come from, and how well they stand for those it is for", ""),
    ("5b", "Dates of collection and of follow-up", ""),
    ("6a", "Setting, number and place of centres", ""),
    ("6b", "Who was eligible", ""),
    ("6c", "Treatments, and how they were dealt with", ""),
    ("7", "Preparation of the data and checks of their quality", "scans"),
    ("8a", "The outcome, its time, why it was chosen, the same for all groups or not", ""),
    ("8b", "Who judged the outcome, with what training", ""),
    ("8c", "Whether they knew the predictors", ""),
    ("9a", "How the first predictors were chosen", ""),
    ("9b", "All predictors, how and when measured", "cohort"),
    ("9c", "Who judged predictors that need judgement, with what training", ""),
    ("10", "How the number of patients came about, and whether it is enough", ""),
    ("11", "How missing values were dealt with", "missingness"),
    ("12a", "Which data served for what: development, tuning, evaluation", "methods"),
    ("12b", "How predictors enter the model: transformed, grouped, scaled", "methods"),
    ("12c", "Kind of model, its parameters, how it was built and tuned", "methods"),
    ("12d", "Differences between clusters such as hospitals", "subgroups"),
    ("12e", "Measures of performance, and how models were compared", "methods"),
    ("12f", "Updating of the model after evaluation", ""),
    ("12g", "How predictions were computed for the evaluation", "methods"),
    ("13", "Rare classes: what was done about them, and calibration afterwards", "methods"),
    ("14", "What was done for fairness between groups", "subgroups"),
    ("15", "What the model gives out, and thresholds with their reason", "performance"),
    ("16", "Differences between the data of development and of evaluation", "external"),
    ("17", "Ethical approval and consent", ""),
    ("18a", "Funding", ""),
    ("18b", "Conflicts of interest", ""),
    ("18c", "Where the protocol is", ""),
    ("18d", "Registration", ""),
    ("18e", "Whether the data can be had", ""),
    ("18f", "Whether the code can be had", ""),
    ("19", "Part that patients and the public took", ""),
    ("20a", "Flow of participants, with and without the outcome", ""),
    ("20b", "Characteristics of participants, with missing values", "cohort"),
    ("20c", "Development and evaluation data beside each other", "external"),
    ("21", "Participants and outcomes in each analysis", "summary"),
    ("22", "The whole model, such that others can predict with it", "model_card"),
    ("23a", "Performance with intervals, also in key groups", "performance"),
    ("23b", "Performance between clusters", "subgroups"),
    ("24", "Results of updating, if there was any", ""),
    ("25", "What the results mean, fairness included, beside other studies", ""),
    ("26", "Limitations: sample, overfitting, missing values, and what they do", "model_card"),
    ("27a", "What happens where an input is poor or missing", "missingness"),
    ("27b", "What users have to do and to know", ""),
    ("27c", "What comes next, and where else it may hold", ""),
)


def tripod(made: dict[str, str]) -> Section:
    """List the items; `made` has the titles of the sections that this page has, by name."""
    rows = [
        [number, asked, f"In part: {made[where]}" if where in made else STATE]
        for number, asked, where in ITEMS
    ]
    return Section(
        "TRIPOD+AI items",
        [
            "What a paper on a prediction model has to say (Collins et al., BMJ 2024, 385:e078378; "
            "items in words of our own). Where this page says something of an item its section is "
            "named; it says what was computed, never why, and the authors complete it.",
            Table("Items, and where they are dealt with", ["Item", "What to report", "Here"], rows),
        ],
    )
