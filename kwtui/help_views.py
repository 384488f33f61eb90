"""What each view of a pane is for: F1 shows it under what the pane is for."""

from __future__ import annotations

from glossary.i18n import _


def view_help(pane: str, view: str) -> str:
    """The paragraph of a view in the language in use, "" for a pane without views."""
    return {**_words(), **_work(), **_results()}.get((pane, view), "")


def _words() -> dict[tuple[str, str], str]:
    return {
        ("glossary", "terms"): _(
            "Terms: the sheet. The columns are what a term is called, its aliases, its kind and "
            "its definition; the line above says how many there are and which are shown."
        ),
        ("glossary", "candidates"): _(
            "Candidates: words of your corpus that the glossary lacks, those first that models "
            "or people found as keywords, each with how often it occurs and a text around it. "
            "One key makes one a term or puts it on the list of words that are no keywords."
        ),
        ("glossary", "records"): _(
            "Records: pieces of drug data that a prompt is given beside the terms, each with its "
            "file and row. They are made by an import and change with the next one of their file."
        ),
        ("glossary", "changes"): _(
            "Changes: every change ever made, the latest first, with who made it and when. One "
            "can be undone alone; the whole glossary can be made as it was at any of them, which "
            "is a change itself."
        ),
        ("dataset", "label"): _(
            "Label: one text at a time, in the order of work: that which teaches most, or another "
            "that you choose. The marks before a candidate say where it comes from."
        ),
        ("dataset", "list"): _(
            "List: the texts of the corpus with their state, to search and to filter. Enter "
            "labels the one under the cursor."
        ),
        ("dataset", "adjudicate"): _(
            "Adjudicate: texts that two people labeled differently, both labelings side by side. "
            "Space takes a span or leaves it, Enter settles the text."
        ),
        ("dataset", "checks"): _(
            "Checks: what looks wrong: words labeled in some texts and not in others, labels with "
            "josa attached, glossary terms without a label, near-duplicates across splits. Enter "
            "shows a kind, then a text."
        ),
    }


def _work() -> dict[tuple[str, str], str]:
    return {
        ("train", "form"): _(
            "Form: the recipe as a list of fields, the help of the one under the cursor beneath."
        ),
        ("train", "text"): _(
            "Text: the same recipe as TOML, to be typed or pasted; it is taken by a key."
        ),
        ("train", "examples"): _(
            "Examples: a few training examples as the model reads them. What it learns is marked."
        ),
        ("monitor", "curves"): _("Curves: loss, learning rate and dev F1 by step."),
        ("monitor", "samples"): _(
            "Samples: what the model extracts from the same dev texts at each evaluation."
        ),
        ("monitor", "log"): _("Log: what the run has written, the latest at the end."),
        ("monitor", "machine"): _(
            "Machine: processors, memory, disk and GPUs, and who else uses them."
        ),
        ("monitor", "compare"): _(
            "Compare: the marked runs side by side, what differs in their recipes first."
        ),
    }


def _results() -> dict[tuple[str, str], str]:
    return {
        ("compare", "table"): _(
            "Table: one line a strategy, in the order of effort, and under it what follows."
        ),
        ("compare", "texts"): _(
            "Texts: those on which two strategies differ. Underlined is right, reversed was "
            "missed, struck through is too much."
        ),
        ("compare", "errors"): _(
            "Mistakes: grouped by what went wrong: missed terms, wrong ends, extra words, "
            "words never seen in training, josa attached, parts of compounds. Each says what helps."
        ),
        ("compare", "plots"): _("Figures: F1 against cost, the learning curve, the mistakes."),
    }
