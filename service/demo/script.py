"""The demo model's answers, which show what the page can render, in English and Chinese."""

from __future__ import annotations

import re
from typing import Any

_CHINESE = re.compile(r"[\u3400-\u9fff]")

_NOTICE = {
    "en": (
        "> I am Sluice's built-in **demo model**: a script, not a language model. Set `OPENAI_BASE_URL` or "
        "`OPENAI_API_KEY` and a real one answers here.\n\n"
    ),
    "zh": (
        "> 我是 Sluice 内置的**演示模型**：只是一段脚本，并不是语言模型。设置 `OPENAI_BASE_URL` 或 "
        "`OPENAI_API_KEY` 之后，这里就由真正的模型来回答。\n\n"
    ),
}

_TABLE = {
    "en": """\
| Way to stream from Flask | Event loops | A client that disconnects |
|---|---|---|
| A new loop for each request | one a request | is noticed late, or never |
| One loop for the process | **one** | **ends its model call at once** |
| Leaving Flask | one | depends on the framework |
""",
    "zh": """\
| 在 Flask 中流式输出的做法 | 事件循环 | 客户端断开时 |
|---|---|---|
| 每个请求新建一个循环 | 每个请求一个 | 很晚才发现，甚至发现不了 |
| 整个进程共用一个循环 | **一个** | **立即结束模型调用** |
| 改用别的框架 | 一个 | 取决于框架 |
""",
}

_CODE = {
    "en": """\
Any async iterator can be drained in any Flask view:

```python
from flask import Flask, Response
from sluice import Bridge, LoopThread

app = Flask(__name__)
loop = LoopThread()


async def words():
    for word in ("one", "loop", "is", "enough"):
        yield word + " "


@app.get("/words")
def stream_words():
    loop.start()  # does nothing if it runs already

    def generate():
        with Bridge(loop, words()) as batches:
            for batch in batches:
                yield "".join(batch)

    return Response(generate(), mimetype="text/plain")
```
""",
    "zh": """\
任何异步迭代器都可以在任何 Flask 视图里逐批取出：

```python
@app.get("/words")
def stream_words():
    loop.start()  # 已经在运行时什么也不做

    def generate():
        with Bridge(loop, words()) as batches:
            for batch in batches:
                yield "".join(batch)

    return Response(generate(), mimetype="text/plain")
```
""",
}

_MATHEMATICS = {
    "en": r"""
If a worker streams $n$ answers of $r$ tokens per second each, and one token costs $c$ seconds of CPU, its core is
full at

$$
n = \frac{1}{r \, c}, \qquad \text{so with } r = 50 \text{ and } c = 150\,\mu\text{s}: \quad n \approx 133.
$$
""",
    "zh": r"""
若一个进程同时输出 $n$ 个回答，每个每秒 $r$ 个词元，每个词元耗费 $c$ 秒 CPU，则一个核在

$$
n = \frac{1}{r \, c}, \qquad \text{例如 } r = 50,\; c = 150\,\mu\text{s} \text{ 时 } n \approx 133
$$

时被占满。
""",
}

_PROSE = {
    "en": (
        "A sluice lets water through at a controlled rate; this one lets tokens through. "
        "中文和 English 可以并排阅读，标点与空格都保持原样。\n"
    ),
    "zh": "水闸控制水流，Sluice 控制词元流。Chinese 和 English 可以并排阅读，标点与空格都保持原样。\n",
}

_LIST = {
    "en": "- [x] one event loop for each worker\n- [x] one connection pool\n- [ ] a real model, once you name one\n",
    "zh": "- [x] 每个进程一个事件循环\n- [x] 一个连接池\n- [ ] 一个真正的模型，等你来指定\n",
}

_PARTS = {
    "table": (re.compile(r"table|compar|表格|比较|对比", re.I), _TABLE),
    "code": (re.compile(r"code|python|flask|代码|示例|函数", re.I), _CODE),
    "mathematics": (re.compile(r"math|formula|equation|数学|公式|方程", re.I), _MATHEMATICS),
}


def scripted_answer(messages: list[dict[str, Any]]) -> str:
    """Return the answer to a conversation.

    Args:
        messages: The conversation, as in a request; only the last message counts.

    Returns:
        Markdown in the message's language: the parts that the message names, or all parts.
    """
    question = str(messages[-1].get("content") or "") if messages else ""
    language = "zh" if _CHINESE.search(question) else "en"
    named = [part[language] for pattern, part in _PARTS.values() if pattern.search(question)]
    parts = named or [_PROSE[language], _LIST[language], *(part[language] for _, part in _PARTS.values())]
    return _NOTICE[language] + "\n".join(parts)
