"""Text of learners as HTML that acts in no way: no script, no request, no disguise.

What stays is formatting, tables, links and embedded pictures. Formulas stay as their
TeX source: to set them takes a script, or a library that learners' text would feed.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nh3
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# The time that hostile markup takes grows with the square of its length.
LONGEST_MARKUP = 100_000
PAGE_MARKUP = 500_000
LARGEST_PICTURE = 5_000_000
PAGE_PICTURES = 20_000_000
PICTURES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}

_TAGS = set(
    """
    a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i
    img kbd li ol p pre s samp small span strong sub summary sup table tbody td tfoot th
    thead tr tt u ul var
    """.split()  # noqa: SIM905  # readable
)
_SPAN = {"colspan", "rowspan"}
_ATTRIBUTES = {
    "*": {"class", "style", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": _SPAN,
    "th": {*_SPAN, "scope"},
}
_STYLES = {
    "font-style",
    "font-weight",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
}
# Of Pygments and of pandas; any other could be one of the page's own.
_CLASS = re.compile(r"highlight|dataframe|[a-z][a-z0-9]?")
_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_PICTURE = re.compile(
    rf"data:(?:{'|'.join(sorted(set(PICTURES.values())))});base64,[A-Za-z0-9+/=\s]*"
)
_HEADING = re.compile(r"<(/?)h([1-6])\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain_text(text: str) -> str:
    """``text`` without the characters that no page may hold."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def safe_html(text: str, *, below: int = 0) -> Markup:
    """HTML with formatting, tables, links and embedded pictures, and nothing that acts.

    Its headings become ``below`` levels smaller, to stand below those of a page.
    """
    cleaned = nh3.clean(
        text,
        tags=_TAGS,
        clean_content_tags={"script", "style", "template", "title"},
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        filter_style_properties=_STYLES,
        link_rel="noopener noreferrer nofollow",
    )
    if below:
        cleaned = _HEADING.sub(
            lambda found: f"<{found[1]}h{min(6, int(found[2]) + below)}", cleaned
        )
    return Markup(cleaned)  # noqa: S704  # cleaned just now


def _attribute(tag: str, name: str, value: str) -> str | None:
    match name:
        case "class":
            kept = [word for word in value.split() if _CLASS.fullmatch(word)]
            return " ".join(kept) or None
        case "href":
            return value if _LINK.match(value) else None
        case "src":
            return value if _PICTURE.fullmatch(value) else None
    return value


def highlighted(source: str, language: str) -> Markup:
    """Source code with Pygments' classes; plain where the language is not known."""
    lexer = _lexer(language)
    source = plain_text(source)
    if lexer is None or len(source) > LONGEST_MARKUP:
        code = html.escape(source)
    else:
        code = highlight(source, lexer, HtmlFormatter(nowrap=True))
    return Markup(code)  # noqa: S704  # escaped, by Pygments too


@cache
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None


class SafePage:
    """Turns the Markdown and HTML of one page into safe HTML, within limits for the page."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is where pictures are that Markdown names."""
        self._folder = folder.resolve()
        self._markup_left = PAGE_MARKUP
        self._pictures_left = PAGE_PICTURES

    def html(self, text: str) -> Markup | None:
        """HTML output of a cell; None when it is too much."""
        return safe_html(text, below=3) if self._fits(text) else None

    def markdown(self, source: str, attachments: Mapping[str, Any]) -> Markup:
        """Markdown with its pictures embedded; as its own source when it is too much.

        Its first heading level becomes the page's third.
        """
        if not self._fits(source):
            return self._as_text(source)
        renderer = _Renderer(self, attachments)
        try:
            text = MarkdownWithMath(renderer=renderer).render(source)
        except RecursionError:
            return self._as_text(source)
        return safe_html(text, below=2)

    def picture(self, name: str, attachments: Mapping[str, Any]) -> str:
        """A picture's address that needs no request; empty if it may not be shown.

        ``name`` is a file below the folder or ``attachment:NAME``.
        """
        kind, encoded = "", ""
        if name.startswith("attachment:"):
            found = attachments.get(name.removeprefix("attachment:"))
            bundle = found if isinstance(found, Mapping) else {}
            kind = next((kind for kind in PICTURES.values() if kind in bundle), "")
            encoded = str(bundle.get(kind, ""))
        elif name.startswith("data:"):
            return name  # what is in it is for the cleaning to judge
        elif (path := self._file(name)) is not None:
            kind = PICTURES[path.suffix.lower()]
            encoded = base64.b64encode(path.read_bytes()).decode()
        if not encoded or len(encoded) > self._pictures_left:
            return ""
        self._pictures_left -= len(encoded)
        return f"data:{kind};base64,{encoded}"

    def _file(self, name: str) -> Path | None:
        try:
            path = (self._folder / name).resolve()
            if (
                path.suffix.lower() in PICTURES
                and path.is_relative_to(self._folder)
                and path.is_file()
                and path.stat().st_size <= LARGEST_PICTURE
            ):
                return path
        except (OSError, ValueError):
            pass  # no name that a file can have
        return None

    def _fits(self, text: str) -> bool:
        if len(text) > min(LONGEST_MARKUP, self._markup_left):
            return False
        self._markup_left -= len(text)
        return True

    def _as_text(self, source: str) -> Markup:
        return Markup("<pre>{}</pre>").format(plain_text(source))


class _Renderer(IPythonRenderer):  # type: ignore[misc]  # nbconvert is not typed
    """nbconvert's, which takes pictures from where they are safe to be taken from."""

    def __init__(self, page: SafePage, attachments: Mapping[str, Any]) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self._page = page
        self._attached = attachments

    def _embed_image_or_attachment(self, src: str) -> str:
        return self._page.picture(src, self._attached)
