"""Takes the values of secrets out of text that others will read.

Law: what a destination answers may repeat what it was sent; no secret leaves this process except
in the headers it was meant for.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

PREFIX_VARIABLE = "JOURNEYS_ENV_PREFIX"
DEFAULT_PREFIX = "JOURNEYS_SECRET_"

MASK = "[secret]"


class Secrets:
    """The variables of the environment that documents may use in headers.

    They are those whose names start with a prefix, JOURNEYS_SECRET_ unless JOURNEYS_ENV_PREFIX
    says another; `${env.TOKEN}` and `${env.JOURNEYS_SECRET_TOKEN}` both mean JOURNEYS_SECRET_TOKEN.
    So no document can read a variable that was not meant for documents, whatever it names.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        prefix = environment.get(PREFIX_VARIABLE, "").strip() or DEFAULT_PREFIX
        open_ones = {
            name: value.strip()
            for name, value in environment.items()
            if name.startswith(prefix) and value.strip()
        }
        short = {name.removeprefix(prefix): value for name, value in open_ones.items()}
        self.values = short | open_ones
        """What `${env.NAME}` means, by NAME."""
        forms = {form for value in open_ones.values() for form in _forms(value)}
        self.longest = max(map(len, forms), default=0)
        """Characters of the longest form in which a secret is looked for."""
        # The longest first: a secret may be the beginning of another.
        alternatives = sorted(map(re.escape, forms), key=len, reverse=True)
        self._pattern = re.compile("|".join(alternatives)) if alternatives else None

    def masked(self, text: str) -> str:
        """The text with every secret in it replaced, in the forms servers repeat them in."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def _forms(value: str) -> set[str]:
    raw = value.encode(errors="surrogateescape")  # an environment may hold any bytes
    plain = json.dumps(value)[1:-1]
    unicode = json.dumps(value, ensure_ascii=False)[1:-1]
    return {
        value,
        plain,
        unicode,
        plain.replace("/", "\\/"),
        quote(raw),
        quote(raw, safe=""),
        quote_plus(raw),
        html.escape(value),
        html.escape(value, quote=False),
        repr(value)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    }
