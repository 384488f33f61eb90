"""What each key of the footer does, in one sentence: the footer has room for a word or two only.

Actions that the footer does not show are described by their description alone.
"""

from __future__ import annotations

from glossary.i18n import _


def sentences() -> dict[str, str]:
    """The sentence of each action by its id, in the language in use."""
    return {
        **_everywhere(),
        **_extract(),
        **_glossary(),
        **_glossary_changes(),
        **_dataset(),
        **_train(),
        **_monitor(),
        **_tokenizer(),
        **_compare(),
        **_models(),
    }


def _everywhere() -> dict[str, str]:
    return {
        "help": _("this page; pressed twice, the tour"),
        "palette": _("every command by its name, and the themes"),
        "contrast": _("on and off"),
        "quit": _("ends the program; where you are is kept, runs go on"),
    }


def _extract() -> dict[str, str]:
    return {
        "extract.run": _("asks the strategy for the keywords of the text"),
        "extract.strategy": _("chooses the strategy"),
        "extract.pick": _("takes a text from the corpus"),
        "extract.view": _("shows the very prompt, and how long each step took"),
        "extract.missed": _("adds a keyword that was missed: the selected one, or one you type"),
        "extract.wrong": _("marks the keyword under the cursor as wrong, or takes the mark off"),
        "extract.retry": _("asks again and tells the model what you marked"),
        "extract.keep-note": _("keeps a mark as a note of the strategy, for every later text"),
        "extract.send": _("puts the text with its corrected keywords into the corpus"),
        "extract.write": _("extracts a whole file and writes the answers beside it"),
        "extract.copy": _("copies the keywords to the clipboard of the terminal"),
    }


def _glossary() -> dict[str, str]:
    return {
        "glossary.edit": _("changes the cell under the cursor where it stands"),
        "glossary.filter": _("shows the terms that hold what you type"),
        "glossary.add": _("adds a term"),
        "glossary.form": _("shows every field of the term, to be changed"),
        "glossary.delete": _("deletes the marked terms, or the one under the cursor"),
        "glossary.undo": _("takes your latest change back, also one of another day"),
        "glossary.order": _("chooses the order of the terms"),
        "glossary.redo": _("does again what was undone"),
        "glossary.merge": _("merges the marked terms into the one under the cursor"),
        "glossary.history": _("shows the changes of this term, with what it was"),
        "glossary.category": _("shows the terms of one kind only"),
        "glossary.exclude": _("puts the term on the list of words that are no keywords"),
        "glossary.mark": _("marks the term; what follows works on all marked ones"),
        "glossary.import": _("reads terms from a file, after a look at what that would do"),
        "glossary.export": _("writes all terms into a file"),
    }


def _glossary_changes() -> dict[str, str]:
    return {
        "glossary.restore": _("makes the glossary as it was after this change"),
        "glossary.take-back": _("undoes the change under the cursor alone"),
        "glossary.snapshot": _("gives the present state a name to return to"),
        "glossary.compare": _("shows what differs between that moment and now"),
        "glossary.next-view": _("terms, candidates, changes"),
    }


def _dataset() -> dict[str, str]:
    return {
        "dataset.approve": _("the labels are right: on to the next text"),
        "dataset.mark": _("labels what is under the cursor, or takes its label off"),
        "dataset.undo": _("takes your latest change back"),
        "dataset.filter": _("shows the texts of one status, source, split or annotator"),
        "dataset.search": _("shows the texts that hold what you type"),
        "dataset.redo": _("does again what was undone"),
        "dataset.hints": _("shows letters: that of a begin and that of an end make a span"),
        "dataset.reject": _("this text has no keyword: on to the next one"),
        "dataset.skip": _("leaves the text unlabeled; it does not come again"),
        "dataset.flag": _("puts the text aside with a note for whoever decides"),
        "dataset.glossary": _("makes the span under the cursor a term"),
        "dataset.guideline": _("shows the guideline, to read and to change"),
        "dataset.next-view": _("labeling, list, disagreements, checks"),
        "dataset.work": _("labels the texts that the list shows"),
        "dataset.both": _("settles the text with everything that anybody marked"),
        "dataset.run": _("runs the checks again"),
        "dataset.everywhere": _("labels this word wherever it stands without a label"),
        "dataset.nowhere": _("takes the label off this word in every text"),
    }


def _train() -> dict[str, str]:
    return {
        "train.start": _("starts the run, or puts it into the queue"),
        "train.preset": _("begins with another recipe of the settings"),
        "train.model": _("chooses among the models of this machine"),
        "train.measure": _("tries the pace of this machine, so that the time is foretold"),
        "train.reset": _("gives the field the recipe's own value back"),
        "train.next-view": _("form, text, examples"),
        "train.open": _("begins with a recipe file"),
        "train.write": _("writes the complete recipe into a file"),
        "train.apply": _("takes the text as the recipe"),
    }


def _monitor() -> dict[str, str]:
    return {
        "monitor.stop": _("stops the run with a checkpoint, or at once"),
        "monitor.resume": _("goes on from the last whole checkpoint"),
        "monitor.mark": _("marks the run: curves of marked runs lie over each other"),
        "monitor.figure": _("shows another figure"),
        "monitor.next-view": _("curves, samples, log, machine, comparison"),
        "monitor.zoom-in": _("shows half as many steps"),
        "monitor.smooth": _("smoother, smoothest, as measured"),
        "monitor.search": _("looks for words in the log, from its end"),
        "monitor.remove": _("deletes the run's folder after a question; its models stay"),
        "monitor.bell": _("rings the terminal's bell when a run ends"),
        "monitor.enqueue": _("puts the run into the queue"),
        "monitor.unqueue": _("takes the run out of the queue"),
    }


def _tokenizer() -> dict[str, str]:
    return {
        "tokenizer.measure": _("measures the chosen tokenizers on your texts and terms"),
        "tokenizer.model": _("chooses the model whose tokenizer is measured"),
        "tokenizer.other": _("chooses a second one to stand beside it"),
        "tokenizer.build": _("makes a vocabulary that has a token for the best terms"),
        "tokenizer.try": _("shows the pieces of a text that you type"),
        "tokenizer.search": _("shows the terms that hold what you type"),
    }


def _compare() -> dict[str, str]:
    return {
        "compare.next-view": _("table, texts, mistakes, figures"),
        "compare.against": _("compares against this rung"),
        "compare.verdict": _("all texts, those won, lost, wrong on both sides"),
        "compare.label": _("flags the text for labeling, with what was wrong as its note"),
        "compare.glossary": _("sends a missed word to the candidates of the glossary"),
        "compare.train": _("sends these texts to the training split"),
        "compare.open": _("flags the text and shows it in the labeling view at once"),
        "compare.figure": _("shows another figure"),
        "compare.split": _("goes to the next split that was measured"),
        "compare.swap": _("compares the other way round"),
        "compare.advice": _("shows the problems of the gold and the advice in full"),
        "compare.run": _("measures the strategies in the background"),
        "compare.missing": _("trains the rungs that are missing, after asking, and measures"),
        "compare.report": _("writes the report of this result"),
    }


def _models() -> dict[str, str]:
    return {
        "models.export": _(
            "writes the model as GGUF, for Ollama, merged, or a strategy as a bundle"
        ),
        "models.card": _("shows the whole card"),
        "models.search": _("shows the models whose name holds what you type"),
        "models.refresh": _("looks for models again"),
    }
