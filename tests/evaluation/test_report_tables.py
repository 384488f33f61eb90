"""The ladder as a table: for a paper, for a sheet, for Markdown."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from engines.evaluation.measured import read_result
from engines.evaluation.report_table import FORMATS, table
from engines.workspace import Workspace
from glossary import i18n
from glossary.errors import UserError
from kwtui.startup import CATALOGUES
from tests.ladders import fill


def latex_cells(source: str) -> list[list[str]]:
    """The rows of the one table of a LaTeX source, read strictly; fails on what would not compile.

    Comments are left out, environments are closed in their order, braces and dollars match, no
    letter that means something to TeX stands alone, and each row has as many cells as the table.
    """
    lines = [re.sub(r"(?<!\\)%.*", "", line) for line in source.splitlines()]
    text = "\n".join(lines)
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    bare = re.sub(r"\\(?:[a-zA-Z]+|.)", "", text)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert not set("#_^~") & set(bare)
    assert bare.count("$") % 2 == 0
    for command in re.findall(r"\\([a-zA-Z]+)", text):
        assert command in {
            "begin", "end", "centering", "toprule", "midrule", "bottomrule", "caption",
            "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater",
        }  # fmt: skip
    (layout,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r"\\")]
    cells = [re.split(r"(?<!\\)&", line) for line in rows]
    assert {len(row) for row in cells} == {len(layout)}
    return [[cell.strip() for cell in row] for row in cells]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_table_for_a_paper(workspace: Workspace, language: str) -> None:
    fill(workspace)
    i18n.use(language, CATALOGUES)
    path = workspace.reports / "ladder" / "dev.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["rows"][0]["label"] = "50 % & 한국어_사전 #1 {x} ~^\\ $5 <a>"
    values["rows"][1]["label"] = "=cmd()|x"
    path.write_text(json.dumps(values), encoding="utf-8")
    result = read_result(workspace, "dev")
    assert result is not None
    latex = table(result, "latex")
    head, *rows = latex_cells(latex)
    assert len(rows) == 3
    assert rows[0][0] == (
        r"50 \% \& 한국어\_사전 \#1 \{x\} "
        r"\textasciitilde{}\textasciicircum{}\textbackslash{} \$5 \textless{}a\textgreater{}"
    )
    # Mean and interval, with the dashes and minus signs of TeX.
    assert head[1] == "F1"
    assert rows[2][1] == f"{result.rows[2].scores.f1:.3f}"
    assert rows[2][2] == f"{result.rows[2].f1_low:.3f}--{result.rows[2].f1_high:.3f}"
    # Korean needs kotex, tables need booktabs: both are said, before the table.
    for package in ("booktabs", "kotex"):
        assert 0 <= latex.index(rf"\usepackage{{{package}}}") < latex.index(r"\begin{table}")
    with pytest.raises(AssertionError):
        latex_cells(latex.replace(r"한국어\_사전", "한국어_사전"))
    with pytest.raises(AssertionError):
        latex_cells(latex.replace(r"\&", "&"))


def test_the_table_for_a_sheet_and_for_markdown(workspace: Workspace) -> None:
    fill(workspace)
    path = workspace.reports / "ladder" / "dev.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["rows"][1]["label"] = "=cmd()|x"
    path.write_text(json.dumps(values), encoding="utf-8")
    result = read_result(workspace, "dev")
    assert result is not None
    sheet = list(csv.DictReader(io.StringIO(table(result, "csv"))))
    assert [float(line["f1"]) for line in sheet] == [r.scores.f1 for r in result.rows]
    assert sheet[1]["label"] == "'=cmd()|x"
    lines = table(result, "md").splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    with pytest.raises(UserError, match="latex, csv, md"):
        table(result, "pdf")
    assert FORMATS == ("latex", "csv", "md")
