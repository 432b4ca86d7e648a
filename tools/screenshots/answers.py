"""The questions and answers in the screenshots."""

from __future__ import annotations

from typing import Final

WATER: Final = (
    "Why does ice float?",
    """\
Because it is lighter than the water around it. Nearly everything else shrinks when it freezes; **water grows by about
nine per cent**.

In ice each molecule holds four neighbours at arm's length, in a lattice with room in it. When it melts, the lattice
gives way and the molecules move closer together.

| | Density at 0 °C | What it does |
|---|---:|---|
| Ice | 917 kg/m³ | floats, with a tenth above the surface |
| Water | 1000 kg/m³ | is densest at 4 °C, so lakes freeze from the top |
| Sea water | 1028 kg/m³ | carries ice a little higher |

The share under water is the ratio of the two densities:

$$
\\frac{V_\\text{under}}{V} = \\frac{\\rho_\\text{ice}}{\\rho_\\text{sea}} = \\frac{917}{1028} \\approx 0.89
$$

So of an iceberg you see about one part in ten, and the saying is right.
""",
)

WINTER: Final = (
    "And what does that mean for a lake in winter?",
    """\
It keeps the fish alive. Cooling water sinks only until it reaches 4 °C; what is colder stays on top, and freezes
there.

1. The surface cools and sinks, and warmer water rises in its place.
2. At 4 °C everywhere, this stops: colder water is now *lighter*.
3. The surface freezes, and the ice keeps the cold out. Below it stays liquid.

> A metre of ice lets through about as much warmth as a thick woollen blanket.

With ice that sank, lakes would freeze from the bottom up, and few would thaw by summer.
""",
)

POEM: Final = (
    "Put 春晓 by 孟浩然 into English, line by line, and say what is hard about it.",
    """\
| 原文 | English |
|---|---|
| 春眠不觉晓 | Asleep in spring, I did not see the dawn |
| 处处闻啼鸟 | Till birds were calling, near and far away |
| 夜来风雨声 | All night the sound of wind, of rain, went on |
| 花落知多少 | How many blossoms fell before the day? |

Three things are hard:

- **No subject.** 不觉 means *was not aware*, but nobody says who. English wants an *I*; Chinese leaves the door open.
- **No tense.** 闻 is *hear*, *heard* and *am hearing* at once.
- **The last line asks without asking.** 知多少 is literally *know how many*: a question, a sigh, no question
  mark.

> Meng Haoran lived from 689 to 740; these twenty characters are among the first that Chinese children learn by heart.
""",
)

CODE: Final = (
    "Write a rate limiter in Python, and show how to test it.",
    """\
A token bucket is the usual choice: it allows short bursts and holds the rate over time. This one needs no thread,
because it works out what has flowed in since the last call.

```python
from dataclasses import dataclass, field
from time import monotonic


@dataclass
class TokenBucket:
    \"\"\"Allow `rate` calls a second, and bursts of up to `capacity`.\"\"\"

    rate: float
    capacity: float
    _tokens: float = field(init=False)
    _seen: float = field(init=False, default_factory=monotonic)

    def __post_init__(self) -> None:
        self._tokens = self.capacity

    def allow(self, cost: float = 1.0) -> bool:
        now = monotonic()
        grown = self._tokens + (now - self._seen) * self.rate
        self._tokens = min(self.capacity, grown)
        self._seen = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
```

Pass the clock in when you test it, so that no test has to sleep:

```python
def test_a_burst_is_allowed_and_then_the_rate_holds(clock):
    bucket = TokenBucket(rate=2, capacity=3, clock=clock)
    assert [bucket.allow() for _ in range(4)] == [True, True, True, False]
    clock.advance(0.5)
    assert bucket.allow()
```

Then run it:

```sh
cd limiter && python -m pytest -q
```

With several processes, keep the two numbers in Redis and do the sum in one script there.
""",
)

CHINESE: Final = (
    "为什么冰会浮在水面上？请用表格说明，再写出公式。",
    """\
因为冰比水轻。大多数物质凝固时会收缩，**水结冰时体积却增大约 9%**：每个水分子与四个邻居以氢键相连，\
排成有空隙的晶格（crystal lattice）；融化时\
晶格松开，分子靠得更近。

| 物质 | 0 °C 时的密度 | 结果 |
|---|---:|---|
| 冰 ice | 917 kg/m³ | 浮起，约十分之一露出水面 |
| 水 water | 1000 kg/m³ | 4 °C 时最重，所以湖面先结冰 |
| 海水 sea water | 1028 kg/m³ | 浮力略大 |

根据阿基米德原理（Archimedes' principle），水下部分所占的比例是

$$
\\frac{V_\\text{下}}{V} = \\frac{\\rho_\\text{冰}}{\\rho_\\text{海水}} = \\frac{917}{1028} \\approx 0.89
$$

1. 冰山露出水面的部分约为 *十分之一*。
2. 湖水从表面开始结冰，冰层又把寒冷挡在外面，鱼才能过冬。
""",
)

# Only their questions are seen, in the list of conversations.
EARLIER: Final = (
    "Plan three days in Lisbon with two children",
    "Explain monads to somebody who writes Python",
    "把这封邮件翻译成英文：会议改到周四下午三点",
    "Why is my Docker image so large?",
    "A sonnet about a sluice gate",
)
EARLIER_CHINESE: Final = (
    "帮我写一份周报，语气正式一点",
    "解释一下 Python 的 asyncio 事件循环",
    "Translate this into English: 春江水暖鸭先知",
    "周末两天在杭州怎么安排？",
)
SHORT_ANSWER: Final = "Gladly."
