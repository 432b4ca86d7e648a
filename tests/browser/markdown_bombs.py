"""Markdown that makes parsers, sanitisers, formulas or layout slow: fixed shapes, and random ones from seeds."""

from __future__ import annotations

import random
from typing import Final

#: Repeated up to a length. Each once took more than linear time somewhere, or is of the kind that does.
PATTERNS: Final = {
    "CJK punctuation": "，。",
    "CJK clauses": "，字",
    "open emphasis": "*a **b ",
    "open underscores": "_a __b ",
    "strong Chinese": "**汉**字",
    "strong labels": "**a:**b ",
    "asterisks": "*",
    "tildes": "~~a ",
    "quotation marks of blocks": ">",
    "nested quotations": "> ",
    "quotations and items": "> - ",
    "items in items": "- ",
    "numbers in items": "1. ",
    "items": "* a\n",
    "tasks": "- [x] a\n",
    "lines": "a\n",
    "lazy lines": "> a\nb\n",
    "headings": "# a\n",
    "underlines": "a\n-\n",
    "empty lines": "\n",
    "spaces": " ",
    "tabs": "\t",
    "brackets": "[",
    "open links": "[a](",
    "open images": "![a](",
    "links": "[a](b)",
    "link titles": '[a](b "c ',
    "undefined references": "[a] ",
    "footnote definitions": "[^a]: x\n",
    "images": "![a](https://x.y/z.png) ",
    "embedded images": "![a](data:image/png;base64,",
    "addresses": "https://a.b ",
    "schemes": "https://",
    "www": "www.a ",
    "mail addresses": "a@b.c ",
    "at signs": "a@",
    "dollars": "$a ",
    "double dollars": "$$a ",
    "open parentheses of formulas": "\\(a ",
    "open brackets of formulas": "\\[a\n",
    "open environments": "\\begin{align}a ",
    "formulas": "$x^2$ ",
    "fractions": "$\\frac{a}{b}$ ",
    "display formulas": "$$x^2$$\n\n",
    "backslashes": "\\",
    "entities": "&#x41;",
    "ampersands": "&",
    "less-than signs": "<",
    "open tags": "<b>",
    "attributes": "<a b='",
    "details": "<details>\n\n",
    "HTML blocks": "<div>\n",
    "comments": "<!--",
    "character data": "<![CDATA[",
    "superscripts": "<sup>a</sup>",
    "cells": "|",
    "rows": "|a|b|\n|-|-|\n",
    "fences": "```\n",
    "Markdown fences": "```md\n",
    "code blocks": "```\na\n```\n",
    "callouts": "> [!NOTE]\n> a\n\n",
    "letters": "a",
    "Chinese": "汉",
    "emoji": "👍🏽",
    "accents": "a\u0301\u0302\u0303",
    "overrides": "\u202eabc ",
    "null characters": "\0",
    "markers of all kinds": "*[`$<~_!|\\",
}

_ATOMS: Final = (
    *"*_~`[]()<>!|#-+=:;.,\\$&\"'^{}\n\n\n  \t01aZ",
    *("**", "***", "~~", "``", "```", "$$", "\\(", "\\)", "\\[", "\\]", "](", "![", "[^a]", "[^a]: ", "<b>", "</b>"),
    *("\n\n", "\n> ", "\n- ", "\n1. ", "\n| a | b |\n|---|---|\n", "\n```py\n", "\n    ", "\n# "),
    *("，", "。", "“", "”", "汉字", "مرحبا", "👍🏽", "\u200b", "\u202e", "&amp;", "https://a.b/", "www."),
    *("\\frac{", "\\begin{align}", "\\end{align}", "a@b.co", "word ", "[a]: https://x.y\n", "> [!NOTE]\n"),
    *("<details>", "<summary>", "</details>", "<script>", "<!--"),
)


def repeated(pattern: str, length: int) -> str:
    """Repeat a pattern up to a length."""
    return (pattern * (length // len(pattern) + 1))[:length]


def fixed_bombs(length: int) -> dict[str, str]:
    """Return the fixed shapes, each of about this length."""
    deep = length // 40
    return {
        **{name: repeated(pattern, length) for name, pattern in PATTERNS.items()},
        "runs of backticks": "".join("`" * (run % 60 + 1) + "a" for run in range(length // 31)),
        "one formula": f"$${repeated('x^2+', length)}1$$",
        "nested fractions": "$$" + r"\frac{a}{" * deep + "1" + "}" * deep + "$$",
        "one embedded image": f"![a](data:image/png;base64,{repeated('A', length)})",
        "an embedded image without an end": f"![a](data:image/png;base64,{repeated('A', length)}",
        "a long address": f"[a]({repeated('b', length)})",
        "a wide table": f"|{'a|' * 2000}\n|{'-|' * 2000}\n{repeated('|a' + chr(10), length // 10)}",
        "a long table": f"|a|b|\n|-|-|\n{repeated('|a|b|' + chr(10), length)}",
        "deep quotations": repeated("> " * 200 + "a\n\n", length),
        "deep lists": "".join(f"{'  ' * (line % 100)}- a\n" for line in range(length // 100)),
        "definitions": "".join(f"[a{number}]: https://x.y/{number}\n" for number in range(length // 25)),
        "a definition at the end": f"{repeated('[a] ', length)}\n\n[a]: https://x.y",
        "paragraphs before a definition": f"{repeated('[a][b]' + chr(10) * 2, length)}[b]: https://x.y",
        "a footnote at the end": f"{repeated('[^a] ', length)}\n\n[^a]: x",
        "emphasis around emphasis": f"{'*' * (length // 2)}a{'*' * (length // 2)}",
        "tags in tags": f"{'<kbd>' * deep}a{'</kbd>' * deep}",
        "one line of code": f"```python\n{repeated('x=1;', length)}",
        "lines of code": f"```python\n{repeated('x = 1' + chr(10), length)}",
        "code for the highlighter": f"```js\n{repeated('/a', length)}",
    }


def random_bomb(seed: int, length: int) -> str:
    """Return a random mixture of markers, of about this length; the same for the same seed."""
    chance = random.Random(seed)
    atoms = [chance.choice(_ATOMS) for _ in range(chance.choice((2, 3, 5, 12, 40)))]
    pieces: list[str] = []
    size = 0
    while size < length:
        # a short sequence, repeated: what is slow is most often the repetition
        sequence = "".join(chance.choices(atoms, k=chance.randint(1, 6)))
        pieces.append(sequence * chance.choice((1, 1, 3, 30, 300, 3000)))
        size += len(pieces[-1])
    return "".join(pieces)[:length]
