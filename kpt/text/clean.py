r"""Cleaning: small pure functions from text to text, to be put one after the other.

Each is a module-level function or a `functools.partial` of one, so that a corpus with cleaning can be sent to worker
processes. A step that takes an argument is made by a function that takes it: ``normalize_unicode("NFKC")``.

A list of stop words is not part of kpt: give `remove_stop_words` your own, or that of a library (``stop-words`` has
them for some thirty languages).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

from kpt.errors import InputError

__all__ = [
    "Step",
    "collapse_white_space",
    "compose",
    "fold_case",
    "normalize_unicode",
    "remove_control_characters",
    "remove_stop_words",
    "replace_surrogates",
    "strip_accents",
    "strip_html",
    "unescape_html",
]

Step = Callable[[str], str]

# A comment without end runs to the end of the text, as in a browser. The possessive repeats keep the time linear.
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^<>]*>|<(/?)([A-Za-z][A-Za-z0-9:-]*)((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+)>", re.S
)
_BLOCKS = re.compile(
    r"address|article|aside|blockquote|br|caption|d[dlt]|div|fieldset|figcaption|figure|footer|form|h[1-6r]|header|li|main|"
    r"nav|ol|option|p|pre|section|t[dhr]|table|tbody|tfoot|thead|title|ul"
)
_NOT_TEXT = frozenset({"script", "style", "template"})
# Control characters but tab and line ends; soft hyphen; zero width space and directional marks; byte order mark.
# The zero width joiners stay: emoji and several scripts are spelled with them.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
# What separates lines, pages and records; U+001F separates the fields of one.
_OTHER_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_SPACED_LINE_END = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def compose(*steps: Step) -> Step:
    """Make one step of several, applied from left to right.

    Example:
        >>> compose(str.strip, fold_case)("  Hello ")
        'hello'
    """
    return partial(_apply, steps)


def strip_html(text: str) -> str:
    r"""Remove tags, comments, scripts and styles, then resolve character references.

    Tags that begin a new line on the page (``<p>``, ``<br>``, ``<li>``, ...) become line ends, all others nothing. A
    ``<`` that opens no tag stays.

    Example:
        >>> strip_html("<p>Fish &amp; <b>chips</b></p><script>x()</script><p>if a < b</p>")
        '\nFish & chips\n\nif a < b\n'
    """
    parts: list[str] = []
    at, inside = 0, ""
    for match in _TAG.finditer(text) if "<" in text else ():
        closing, name = match[1], (match[2] or "").lower()
        if inside:
            if not (closing and name == inside):
                continue
            inside = ""
        else:
            parts.append(text[at : match.start()])
            parts.append("\n" if _BLOCKS.fullmatch(name) else "")
            if name in _NOT_TEXT and not closing and not match[3].endswith("/"):
                inside = name
        at = match.end()
    if not inside:
        parts.append(text[at:])
    return html.unescape("".join(parts))


def unescape_html(text: str) -> str:
    """Resolve character references such as ``&amp;`` and ``&#233;``, and leave tags alone.

    Example:
        >>> unescape_html("caf&eacute; &lt;3")
        'café <3'
    """
    return html.unescape(text)


def remove_control_characters(text: str) -> str:
    r"""Remove what has no width and no meaning for a model: control characters, soft hyphens, directional marks.

    Tabs, line ends and the zero width joiners stay. Controls that separate words become white space: vertical tabs,
    form feeds, the separators U+001C to U+001E, U+0085, U+2028 and U+2029 a line end, U+001F a space.

    Example:
        >>> remove_control_characters("a\x00b\u200b\x1b c\n")
        'ab c\n'
    """
    return _CONTROLS.sub("", _OTHER_LINE_ENDS.sub("\n", text).replace("\x1f", " "))


def replace_surrogates(text: str) -> str:
    r"""Replace each lone half of a surrogate pair, which no encoding can hold, by U+FFFD.

    Example:
        >>> replace_surrogates("a\ud83d") == "a\ufffd"
        True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def normalize_unicode(form: Literal["NFC", "NFD", "NFKC", "NFKD"] = "NFC") -> Step:
    """Make a step that brings text into a Unicode normal form.

    Args:
        form: NFC composes letters and accents; NFKC also replaces ligatures, full width letters and the like.

    Raises:
        InputError: There is no such form.

    Example:
        >>> normalize_unicode("NFKC")("ﬁne ２")
        'fine 2'
    """
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise InputError(f"{form!r} is no Unicode normal form; choose NFC, NFD, NFKC or NFKD")
    return partial(unicodedata.normalize, form)


def collapse_white_space(text: str) -> str:
    r"""Make one space of each run of spaces within a line and at most one blank line of several; strip the ends.

    Line ends stay line ends, because they may separate sentences and paragraphs.

    Example:
        >>> collapse_white_space(" one\t two \n\n\n\n three ")
        'one two\n\nthree'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    text = _SPACED_LINE_END.sub("\n", _SPACES.sub(" ", text))
    return _BLANK_LINES.sub("\n\n", text).strip()


def fold_case(text: str) -> str:
    """Fold case, more thoroughly than lower case does.

    Example:
        >>> fold_case("STRASSE") == fold_case("Straße")
        True
    """
    return text.casefold()


def strip_accents(text: str) -> str:
    """Remove the combining marks of letters; what remains is in NFC.

    Example:
        >>> strip_accents("Crème brûlée, Ångström")
        'Creme brulee, Angstrom'
    """
    if text.isascii():
        return text
    letters = (letter for letter in unicodedata.normalize("NFD", text) if unicodedata.category(letter) != "Mn")
    return unicodedata.normalize("NFC", "".join(letters))


def remove_stop_words(words: Iterable[str]) -> Step:
    """Make a step that removes words, whatever their case, with the space behind them.

    Args:
        words: The words to remove.

    Example:
        >>> remove_stop_words(["the", "of"])("The end of the road.")
        'end road.'
    """
    if isinstance(words, str):
        raise InputError(f"the stop words are one string, {words[:20]!r}; give a list of words")
    return partial(_without, frozenset(word.casefold() for word in words))


def _apply(steps: tuple[Step, ...], text: str) -> str:
    for step in steps:
        text = step(text)
    return text


def _without(words: frozenset[str], text: str) -> str:
    parts: list[str] = []
    at = 0
    for match in _WORD.finditer(text):
        if match[0].casefold() in words:
            parts.append(text[at : match.start()])
            at = match.end() + (text[match.end() : match.end() + 1] == " ")
    return "".join([*parts, text[at:]])
