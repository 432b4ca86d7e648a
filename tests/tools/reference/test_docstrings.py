"""Docstrings as Markdown: every argument and field has a meaning, or the page is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import sluice
from tools.reference import extension_page
from tools.reference.docstrings import describe, fields, prose_of


def make(name: str, *, times: int = 1) -> str:
    """Make a thing.

    It is
    new.

    Args:
        name: The thing's name,
            which is short.
        times: How often.

    Returns:
        The thing.

    Raises:
        ValueError: The name is long.
        TypeError: It is none.
    """
    return name * times


@dataclass
class Thing:
    """A thing.

    Raises:
        ValueError: It is none.
    """

    #: its name,
    #: which is short
    name: str
    size: int = 1


def test_a_function_is_a_heading_prose_and_tables() -> None:
    assert describe("sluice.make", make) == (
        "### `sluice.make`\n\nMake a thing.\n\nIt is\nnew.\n\n"
        "| Argument | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
        "| `name` | `str` | required | The thing's name, which is short. |\n"
        "| `times` | `int` | `1` | How often. |\n\n"
        "Returns: The thing.\n\n- Raises `ValueError`: The name is long.\n- Raises `TypeError`: It is none."
    )
    assert prose_of(Thing) == "A thing.\n\n- Raises `ValueError`: It is none."


def test_an_argument_and_a_field_without_a_meaning_are_named() -> None:
    def undescribed(name: str, size: int) -> None:
        """Do it.

        Args:
            name: The name.
        """

    with pytest.raises(ValueError, match=r"^f should say what size means$"):
        describe("f", undescribed)
    with pytest.raises(ValueError, match=r"^Thing should say what `size` means$"):
        fields(Thing)
    with pytest.raises(ValueError, match=r"^g should have a docstring$"):
        describe("g", lambda: None)


def test_a_public_name_that_the_page_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sluice, "__all__", [*sluice.__all__, "Another"])
    with pytest.raises(ValueError, match="should describe Another"):
        extension_page.extension()
