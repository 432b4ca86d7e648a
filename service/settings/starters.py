"""The questions that an empty page offers: the operator's JSON -> starters for each language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

#: The page's languages.
Language = Literal["en", "zh"]

# More would push the message box out of a phone's window.
MOST: Final = 8
# A label is one or two words beside the question, and a question a few lines of a button.
LABEL_CHARS: Final = 40
PROMPT_CHARS: Final = 1000

EXPECTED: Final = (
    'a JSON list of questions such as ["Why is the sky blue?"], or {"en": [...], "zh": [...]} with one for each '
    'language; a question may also be {"label": "Physics", "prompt": "Why is the sky blue?"}'
)


@dataclass(frozen=True, slots=True)
class Starter:
    """One question: the text that is sent, and a short label."""

    prompt: str
    label: str = ""


#: A language without an entry keeps the page's own.
Starters = dict[Language, tuple[Starter, ...]]


def parse_starters(text: str) -> Starters:
    """Read the operator's JSON.

    Args:
        text: A list for all languages, or an object with a list for each.

    Raises:
        ValueError: The JSON has another form. The text names every mistake and where it is.
    """
    try:
        written = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{EXPECTED}; this is no JSON: {error}") from None
    lists = written if isinstance(written, dict) else dict.fromkeys(get_args(Language), written)
    mistakes = list(dict.fromkeys(_mistakes(lists, named=isinstance(written, dict))))
    if mistakes:
        raise ValueError(f"{EXPECTED}; here {', '.join(mistakes)}")
    return {language: tuple(_starter(item) for item in items) for language, items in lists.items()}


def _mistakes(lists: dict[str, Any], named: bool) -> Iterator[str]:
    if not lists:
        yield "is no language"
    for language, items in lists.items():
        of = f" of {json.dumps(language)}" if named else ""
        if language not in get_args(Language):
            yield f"{json.dumps(language)} is not one of the page's languages, en and zh"
        elif not isinstance(items, list):
            yield f"the questions{of} are no list"
        elif len(items) > MOST:
            yield f"the questions{of} are {len(items)}, and {MOST} at most are shown"
        else:
            for number, item in enumerate(items, start=1):
                if mistake := _mistake(item):
                    yield f"question {number}{of} {mistake}"


def _mistake(item: Any) -> str | None:
    if isinstance(item, str):
        item = {"prompt": item}
    if not isinstance(item, dict) or not all(isinstance(value, str) for value in item.values()):
        return "is neither a text nor an object of texts"
    if unknown := sorted(item.keys() - {"label", "prompt"}):
        return f"has {json.dumps(unknown[0])}, and only label and prompt are known"
    if not item.get("prompt", "").strip():
        return "has no prompt"
    for name, most in (("prompt", PROMPT_CHARS), ("label", LABEL_CHARS)):
        if len(item.get(name, "")) > most:
            return f"has a {name} of more than {most} characters"
    return None


def _starter(item: str | dict[str, str]) -> Starter:
    return Starter(item.strip()) if isinstance(item, str) else Starter(**{k: v.strip() for k, v in item.items()})
