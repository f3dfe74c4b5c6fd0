"""Draws the ```mermaid blocks of a page as pictures while the site is built.

Law: the site holds what it shows; a reader needs neither a network nor a script to see a journey.
"""

from __future__ import annotations

import hashlib
from typing import Any

import mermaidx
from mkdocs.config.defaults import MkDocsConfig

_LOOK = {
    "theme": "neutral",
    "config": {
        "fontFamily": "sans-serif",
        "htmlLabels": False,
        "flowchart": {"htmlLabels": False, "padding": 14, "wrappingWidth": 500},
    },
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    fence = {"name": "mermaid", "class": "mermaid", "format": _drawn}
    config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    return config


def _drawn(source: str, *_: Any, **__: Any) -> str:
    svg = mermaidx.render(source, **_LOOK).svg()
    own = "drawing-" + hashlib.sha256(source.encode()).hexdigest()[:8]
    svg = svg.replace("my-svg", own)  # several on a page must not share their ids
    return f'<div class="drawing">{svg}</div>'
