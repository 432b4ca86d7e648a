"""Tables of the settings in English and Chinese, and `.env.example`: made of the fields of `Settings`."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from pathlib import Path
from typing import Any, Final

from sluice.service.settings.fields import setting_fields
from sluice.service.settings.settings import Settings

from .markdown import code, table

# The first setting of each section, and the section's title in English and Chinese.
_SECTIONS: Final = {
    "OPENAI_API_KEY": ("The model", "模型"),
    "OPENAI_INTERACTION_MODE": ("Conversations", "对话"),
    "SLUICE_CONNECT_TIMEOUT": ("Time limits", "时限"),
    "SLUICE_MAX_STREAMS": ("Sizes and numbers", "大小与数量"),
    "SLUICE_LOG_LEVEL": ("The log", "日志"),
    "SLUICE_STARTERS": ("The page", "网页"),
    "HOST": ("The server", "服务器"),
}
# What `.env.example` says of a section before its first setting.
_NOTES: Final = {
    "OPENAI_API_KEY": "Without a key and a base URL, the built-in demo model answers.",
    "SLUICE_STARTERS": 'JSON needs quotes around it, such as \'["Why is the sky blue?", '
    '{"label": "Ice", "prompt": "Why does it float?"}]\', or for each language '
    '\'{"en": ["Why is the sky blue?"], "zh": ["天空为什么是蓝色的？"]}\'.',
}
# What each setting means, by its variable.
_CHINESE: Final = Path(__file__).with_name("settings.zh-CN.json")
_WIDTH: Final = 118


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting, as its field describes it.

    Attributes:
        variable: The environment variable.
        default: Its default as a user would write it; empty where there is none.
        expected: What a value should be, in the words of the setting's own parser.
        meaning: What the setting does.
    """

    variable: str
    default: str
    expected: str
    meaning: str


def settings() -> list[Setting]:
    """Return all settings in the order of their fields, those of nested records included."""
    return [_describe(field) for field in setting_fields(Settings())]


def english() -> str:
    """Return the tables in English, one for each section."""
    parts = []
    for first, of_section in _by_section():
        rows = [
            [code(setting.variable), code(setting.default), setting.expected, setting.meaning]
            for setting in of_section
        ]
        parts += [f"## {_SECTIONS[first][0]}", table(["Variable", "Default", "Value", "Meaning"], rows)]
    return "\n\n".join(parts)


def chinese() -> str:
    """Return the tables in Chinese, one for each section.

    Raises:
        ValueError: `settings.zh-CN.json` does not have the same settings.
    """
    meanings = json.loads(_CHINESE.read_text(encoding="utf-8"))
    variables = [setting.variable for setting in settings()]
    if set(variables) != set(meanings):
        raise ValueError(
            f"tools/reference/{_CHINESE.name} should have a meaning for every setting and for no other name; it "
            f"differs in {', '.join(sorted(set(variables) ^ set(meanings)))}"
        )
    parts = []
    for first, of_section in _by_section():
        rows = [[code(setting.variable), code(setting.default), meanings[setting.variable]] for setting in of_section]
        parts += [f"## {_SECTIONS[first][1]}", table(["变量", "默认值", "含义"], rows)]
    return "\n\n".join(parts)


def example() -> str:
    """Return the text of `.env.example`."""
    lines = [
        "# Every setting, with its default. Copy this file to .env and change what you need; the environment wins.",
        "# Written by `make reference` from the settings' fields; docs/reference/settings.md says which values fit.",
    ]
    for first, of_section in _by_section():
        note = f" {_NOTES[first]}" if first in _NOTES else ""
        lines += ["", *_comment(f"---- {_SECTIONS[first][0]}.{note}")]
        for setting in of_section:
            lines += [*_comment(setting.meaning), f"# {setting.variable}={setting.default}"]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _by_section() -> list[tuple[str, list[Setting]]]:
    sections: list[tuple[str, list[Setting]]] = []
    for setting in settings():
        if setting.variable in _SECTIONS or not sections:
            sections.append((setting.variable, []))
        sections[-1][1].append(setting)
    if [first for first, _ in sections] != list(_SECTIONS):
        raise ValueError(
            "the sections of tools/reference/settings_page.py should begin with settings that exist, in this order: "
            f"{', '.join(_SECTIONS)}"
        )
    return sections


def _describe(found: tuple[dataclasses.Field[Any], Any]) -> Setting:
    field, default = found
    metadata = field.metadata
    return Setting(metadata["variable"], _written(default), _expected(metadata["parse"]), metadata["meaning"])


def _written(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:.12g}" if isinstance(default, float) else str(default)


def _expected(parse: Any) -> str:
    """Return what a parser says that a value should be. No setting takes this text, but those that take any."""
    try:
        parse("\0")
    except ValueError as error:
        return str(error).partition("; this is no JSON")[0]
    return "any text"
