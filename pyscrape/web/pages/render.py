"""Templates made into answers: every text from outside escaped, and a policy that lets nothing else run.

Scripts come from this server's own files only. The editor makes its styles at run time and proves itself by a nonce
that is new in each answer; nothing else may style or run inline.
"""

import secrets

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from pyscrape.web.answers import Answer
from pyscrape.web.pages.assets import asset_path
from pyscrape.web.pages.shape import FILTERS
from pyscrape.web.pages.texts import SCRIPTS, TEXTS
from pyscrape.web.services import AgentServices, Services


def policy(nonce: str) -> str:
    """The Content-Security-Policy of a page."""
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' 'nonce-{nonce}'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


class Renderer:
    """Renders templates within the frame that all pages share."""

    def __init__(self, services: AgentServices) -> None:
        self._services = services
        self._templates = Environment(
            loader=PackageLoader("pyscrape.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS
        self._templates.globals |= {
            "t": TEXTS,
            "script_texts": orjson.dumps(SCRIPTS).decode().replace("<", "\\u003c"),
            "prefix": services.options.prefix,
            "agent": not isinstance(services, Services),
            "page_title": services.options.page_title,
            "asset": lambda name: services.options.prefix + asset_path(name),
        }

    def page(self, template: str, current: str, **values: object) -> Answer:
        """An answer with a page; `current` is the entry of the navigation and the key of the title."""
        nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template(template).render(
            current=current,
            title=TEXTS[current],
            nonce=nonce,
            ready=self._services.ready(),
            notifications=[notification["text"] for notification in self._services.notifications.active()],
            **values,
        )
        headers = {
            "Content-Security-Policy": policy(nonce),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        return Answer(text.encode(errors="replace"), 200, "text/html; charset=utf-8", headers)
