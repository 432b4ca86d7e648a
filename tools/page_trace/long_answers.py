"""Long answers as models write them, and the worst shapes: one block that never ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

WORDS = (
    "the",
    "of",
    "a",
    "stream",
    "server",
    "token",
    "each",
    "answer",
    "reader",
    "page",
    "frame",
    "browser",
    "writes",
    "keeps",
    "sends",
    "waits",
    "places",
    "loop",
    "thread",
    "socket",
    "buffer",
    "model",
    "queue",
    "event",
    "bounded",
    "latency",
    "memory",
    "small",
    "large",
    "often",
    "never",
    "always",
    "quickly",
    "slowly",
)
CHINESE = (
    "流式输出让读者即时看到模型写下的每一个字。",
    "服务器为每个回答保留一个位置，满了就立刻说明何时再试。",
    "页面每帧只更新一次，已经完成的段落不再重新渲染。",
    "这样，无论回答多长，每个字的开销都不会增加。",
)


def sentence(chance: random.Random) -> str:
    """One sentence, with the emphasis, code and links that models like."""
    words = [chance.choice(WORDS) for _ in range(chance.randint(6, 18))]
    spot = chance.randrange(len(words))
    dressed = ("**{}**", "*{}*", "`{}()`", "[{}](https://example.org/{})", "{}", "{}", "{}", "{}")
    words[spot] = chance.choice(dressed).format(words[spot], words[0])
    return " ".join(words).capitalize() + ". "


def paragraph(chance: random.Random) -> str:
    """A paragraph, sometimes a Chinese one."""
    if chance.random() < 0.25:
        return "".join(chance.choice(CHINESE) for _ in range(chance.randint(2, 6))) + "\n\n"
    return "".join(sentence(chance) for _ in range(chance.randint(2, 6))).strip() + "\n\n"


def code_lines(chance: random.Random) -> Iterator[str]:
    """Lines of Python without end."""
    while True:
        name = chance.choice(WORDS)
        yield f"def {name}_{chance.randrange(1000)}({chance.choice(WORDS)}: str, limit: int = 7) -> None:\n"
        yield f'    """Say what {name} does."""\n'
        for _ in range(chance.randint(2, 6)):
            yield f"    {chance.choice(WORDS)} = [{chance.choice(WORDS)!r} for _ in range({chance.randrange(50)})]\n"
        yield "    return None\n\n"


def items(chance: random.Random) -> Iterator[str]:
    """List items without end, some with a list of their own."""
    while True:
        yield f"- {sentence(chance).strip()}\n"
        if chance.random() < 0.2:
            yield f"  - {sentence(chance).strip()}\n  - {sentence(chance).strip()}\n"


def rows(chance: random.Random) -> Iterator[str]:
    """Table rows without end, below a head."""
    yield "| Name | Place | Count | Note |\n|:---|---|---:|---|\n"
    while True:
        word, other = chance.choice(WORDS), chance.choice(WORDS)
        yield f"| {word} | `{other}` | {chance.randrange(10**6)} | {chance.choice(CHINESE)[:9]} |\n"


def taken(pieces: Iterator[str], chars: int) -> str:
    """Whole pieces until there are so many characters."""
    text = ""
    while len(text) < chars:
        text += next(pieces)
    return text


def mixed(chars: int) -> str:
    """An answer of everything: headings, paragraphs, lists, code, tables, mathematics, Chinese."""
    chance = random.Random(1)

    def sections() -> Iterator[str]:
        while True:
            yield f"## {sentence(chance).strip()}\n\n"
            for _ in range(chance.randint(1, 4)):
                yield paragraph(chance)
            kind = chance.choice(("list", "code", "table", "mathematics", "quotation"))
            if kind == "list":
                yield taken(items(chance), 500) + "\n"
            elif kind == "code":
                yield "```python\n" + taken(code_lines(chance), chance.choice((400, 1200, 3000))) + "```\n\n"
            elif kind == "table":
                yield taken(rows(chance), 700) + "\n"
            elif kind == "mathematics":
                yield "With $x_1 + y^2$:\n\n$$\n\\sum_{i=1}^{n} \\frac{x_i}{\\sqrt{y_i}}\n$$\n\n"
            else:
                yield f"> {sentence(chance).strip()}\n> {sentence(chance).strip()}\n\n"

    return taken(sections(), chars)


def one_paragraph(chars: int) -> str:
    """A single paragraph."""
    chance = random.Random(2)
    return taken(iter(lambda: sentence(chance), ""), chars)


def one_code_block(chars: int) -> str:
    """A single block of code."""
    return "```python\n" + taken(code_lines(random.Random(3)), chars) + "```\n"


def one_list(chars: int) -> str:
    """A single list."""
    return taken(items(random.Random(4)), chars)


def one_table(chars: int) -> str:
    """A single table."""
    return taken(rows(random.Random(5)), chars)


SHAPES: dict[str, Callable[[int], str]] = {
    "mixed": mixed,
    "one paragraph": one_paragraph,
    "one code block": one_code_block,
    "one list": one_list,
    "one table": one_table,
}
