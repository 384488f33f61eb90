"""The page about the API for people: plain HTML made from the schema, nothing from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

from glossary.i18n import _

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:.8rem;overflow:auto}"
    "h2{border-top:1px solid #ccc;padding-top:1rem}"
)


def page(schema: Mapping[str, Any]) -> str:
    """Every path with its sentences and answers, every shape, and how to call it."""
    info = schema["info"]
    parts = [f"<h1>{html.escape(info['title'])}</h1>", f"<p>{html.escape(info['description'])}</p>"]
    example = (
        'curl -H "Authorization: Bearer $(cat TOKEN_FILE)" -H "Content-Type: application/json" \\\n'
        '  -d \'{"text": "…"}\' http://127.0.0.1:8765/extract'
    )
    parts.append(f"<pre>{html.escape(example)}</pre>")
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    parts.append(f"<h2>{html.escape(_('Shapes'))}</h2>")
    for name, shape in schema["components"]["schemas"].items():
        text = json.dumps(shape, ensure_ascii=False, indent=1)
        parts.append(f"<h3>{html.escape(name)}</h3><pre>{html.escape(text)}</pre>")
    title = html.escape(info["title"])
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{''.join(parts)}</body></html>"


def _operation(name: str, operation: Mapping[str, Any]) -> list[str]:
    answers = "".join(
        f"<li>{html.escape(status)}: {html.escape(answer.get('description', ''))}</li>"
        for status, answer in operation["responses"].items()
    )
    return [
        f"<h2>{html.escape(name)}</h2>",
        f"<p>{html.escape(operation.get('description', ''))}</p><ul>{answers}</ul>",
    ]
