"""Strategies for hostile request bodies: JSON text that no encoder would write, and bytes that are no JSON."""

from __future__ import annotations

import json
from typing import Final

from hypothesis import strategies as st

# What parsers disagree about: numbers beyond every range, words that are not JSON, halves of surrogate pairs, escapes
# that do not exist, control characters inside a string.
ODD_WORDS: Final = (
    "null", "true", "false", "-0", "1e999", "-1E-999", "NaN", "-Infinity", "1" * 5000, "1.", "01", "+1", ".5", "0x1",
    "''", "undefined", r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"', r'"\u0000"', r'"\x"', '"\t"', '"\x00"',
    '"\u2028\u2029\x85"', '"\ufeff"', '"', r'"\"', "", " ", "{", "]", "//", "{}", "[]", '{"message": "a"}',
)  # fmt: skip
FIELDS: Final = ("message", "conversation_history", "interaction_mode", "source", "model", "role", "content")

# Every category of characters, surrogates and controls included; and what `strip` takes away.
odd_text = st.text(st.characters(exclude_categories=()), max_size=12) | st.text("\t \x1c\x85\u3000\ufeff", max_size=4)


@st.composite
def _string(draw: st.DrawFn) -> str:
    text = draw(odd_text)
    # As it is, or escaped; a lone surrogate as it is becomes bytes that are not UTF-8.
    return json.dumps(text, ensure_ascii=draw(st.booleans()))


_scalar = _string() | st.sampled_from(ODD_WORDS) | st.integers().map(str) | st.floats().map(json.dumps)


def _array(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=5).map(lambda texts: f"[{','.join(texts)}]")


def _object(members: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[str]:
    # Written by hand: an encoder would refuse keys that come twice.
    return st.lists(members, max_size=7).map(
        lambda pairs: "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
    )


_key = st.sampled_from(FIELDS).map(json.dumps) | _string()
anything = st.recursive(_scalar, lambda inner: _array(inner) | _object(st.tuples(_key, inner)), max_leaves=8)
_text = st.sampled_from(['"Hi"', '"a longer text, 28 characters"']) | _string()
# Of each type, at the ends of base64, and with one character too many or too few.
_image = st.builds(
    lambda label, begin, end: json.dumps(f"data:image/{label};base64,{begin}{end}"),
    st.sampled_from(["png", "svg+xml", "PNG", ""]),
    st.sampled_from(
        ["iVBORw0KGgoA", "iVBORw0KGgo=", "/9j/", "R0lGODlh", "R0lGODxh", "UklGRhoAAAdXRUJQ", "UklGRhoAAAdXQVZF"]
    ),
    st.sampled_from(["", "AAAA", "AAA=", "AA==", "A", "====", "=", "AA==AA==", "A A=", "\n", "é"]),
)
_images = _array(_image)
_call = _object(
    st.tuples(st.sampled_from(['"name"', '"arguments"', '"text"']), st.just('"search"') | _text)
    | st.tuples(_key, anything)
)
_turn = _object(
    st.tuples(st.just('"role"'), st.sampled_from(['"user"', '"assistant"', '"system"', '"User"']) | anything)
    | st.tuples(st.just('"content"'), _text | anything)
    | st.tuples(st.just('"images"'), _images)
    | st.tuples(st.just('"tool_calls"'), _array(_call) | anything)
)
_good_turn = _text.map(lambda text: f'{{"role": "user", "content": {text}}}')
_members = st.one_of(
    st.tuples(st.just('"message"'), _text),
    st.tuples(st.just('"conversation_history"'), _array(_good_turn) | _array(_turn) | anything),
    st.tuples(st.just('"interaction_mode"'), st.sampled_from(['"stream"', '"block"', "null", '"Block"']) | anything),
    st.tuples(st.just('"source"'), st.sampled_from(['"page"', '"api"', '"load-test"', "null"]) | anything),
    st.tuples(st.just('"model"'), st.sampled_from(['"scripted"', '"gpt-other"', "null"]) | anything),
    st.tuples(st.just('"images"'), _images | anything),
    st.tuples(_key, anything),
)
# Whole requests, at their limits and with at most one member too many: what passes must pass.
_good = st.fixed_dictionaries(
    {'"message"': _text},
    optional={
        '"conversation_history"': st.lists(_good_turn, max_size=4).map(lambda turns: f"[{','.join(turns)}]"),
        '"interaction_mode"': st.sampled_from(['"stream"', '"block"', "null"]),
        '"source"': st.sampled_from(['"page"', '"api"', '"load-test"']),
        '"model"': st.sampled_from(['"scripted"', "null"]),
        '"images"': _images,
    },
).flatmap(
    lambda good: st.lists(_members, max_size=1).map(
        lambda more: "{" + ",".join(f"{name}: {value}" for name, value in [*good.items(), *more]) + "}"
    )
)
json_texts = _good | _object(_members) | anything


@st.composite
def _deep(draw: st.DrawFn, most: int) -> str:
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"message":', "}"), ('{"a":[', "]}"), ('"message":', "")]))
    depth = draw(st.integers(1, most // len(opening)))
    inside = opening * depth + draw(_scalar) + closing * draw(st.sampled_from([0, depth, depth - 1]))
    return draw(st.sampled_from(["", '{"message": "Hi", "model": ', '{"message": "Hi", "x": '])) + inside


@st.composite
def bodies(draw: st.DrawFn, deepest: int = 500) -> bytes:
    """Return the bytes of a request's body.

    Args:
        deepest: About how many bytes of opening brackets there may be.
    """
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=40))
    text = draw(_deep(deepest)) if draw(st.integers(0, 9)) == 0 else draw(json_texts)
    text = (
        draw(st.sampled_from(["", "", "", " \n", "\ufeff"]))
        + text
        + draw(st.sampled_from(["", "", "", " ", "}", "1"]))
    )
    codec = draw(st.sampled_from(["utf-8"] * 6 + ["utf-16", "utf-32-be"]))
    body = text.encode(codec, "surrogatepass")
    if draw(st.integers(0, 4)) == 0:
        # Cut out, overwritten or inserted anywhere, in the middle of a character too.
        begin = draw(st.integers(0, len(body)))
        end = min(len(body), begin + draw(st.integers(0, 4)))
        body = body[:begin] + draw(st.binary(max_size=4)) + body[end:]
    return body
