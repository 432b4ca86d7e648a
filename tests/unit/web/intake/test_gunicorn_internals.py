"""What Sluice uses of gunicorn beside its settings and hooks is listed, and an unfit gunicorn is refused."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import gunicorn
import pytest
from gunicorn.workers.gthread import ThreadWorker

from sluice.web.intake import gunicorn_internals
from sluice.web.intake.gunicorn_internals import UnsupportedGunicorn, check_installed
from sluice.web.intake.request_parser import LimitedParser, LimitedUnreader
from sluice.web.intake.worker_connection import WorkerConnection
from sluice.web.server.worker import SluiceWorker

OURS: tuple[type, ...] = (SluiceWorker, WorkerConnection, LimitedParser, LimitedUnreader)


def listed(owner: type) -> set[str]:
    """Return the names of a class of gunicorn's that are checked at import."""
    return {
        *gunicorn_internals._METHODS.get(owner, ()),
        *gunicorn_internals._ATTRIBUTES.get(owner, ()),
    }


def ancestry(leaf: type) -> tuple[list[type], type]:
    """Return a class of ours with those of ours that it extends, and the class of gunicorn's that these extend."""
    mro = [each for each in leaf.__mro__ if each is not object]
    ours = [each for each in mro if each.__module__.startswith("sluice.")]
    return ours, mro[len(ours)]


def own_attributes(ours: list[type]) -> Iterator[str]:
    """Yield what is read or set by `self.NAME` or `super().NAME` in the methods of classes."""
    for cls in ours:
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
            if isinstance(node, ast.Attribute):
                owner = node.value
                if isinstance(owner, ast.Call):
                    owner = owner.func
                if isinstance(owner, ast.Name) and owner.id in ("self", "super"):
                    yield node.attr


def test_the_installed_gunicorn_is_accepted() -> None:
    check_installed(gunicorn.version_info)


@pytest.mark.parametrize("version", [(26, 9, 0), (27, 0, 0), (28, 0, 0), (28, 1)])
def test_another_version_is_refused_with_what_to_install(version: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedGunicorn) as refused:
        check_installed(version)
    installed = ".".join(map(str, version))
    assert str(refused.value) == (
        f"gunicorn {installed} is installed and is not supported; install a version that Sluice supports: "
        "pip install 'gunicorn>=27.0.1,<28.0.0'"
    )


@pytest.mark.parametrize(
    ("methods", "attributes", "missing"),
    [
        ({ThreadWorker: {"gone": ()}}, {}, "ThreadWorker.gone()"),
        ({ThreadWorker: {"accept": ("listener", "more")}}, {}, "ThreadWorker.accept(listener, more)"),
        ({}, {ThreadWorker: ("gone", "poller")}, "ThreadWorker.gone"),
    ],
)
def test_a_method_or_attribute_that_gunicorn_lacks_is_named(
    methods: dict[type, Any], attributes: dict[type, Any], missing: str
) -> None:
    with pytest.raises(UnsupportedGunicorn) as refused:
        check_installed((27, 0, 1), methods, attributes)
    assert str(refused.value).startswith(f"gunicorn 27.0.1 has no {missing}; install a version")


@pytest.mark.parametrize("leaf", OURS)
def test_every_method_of_gunicorn_that_is_overridden_is_checked_at_import(leaf: type) -> None:
    ours, base = ancestry(leaf)
    defined = {name for each in ours for name in vars(each)}
    inherited = {name for each in base.__mro__[:-1] for name in vars(each)}
    ordinary = {"__init__", "__module__", "__doc__", "__dict__", "__weakref__"}
    assert (defined & inherited) - ordinary <= listed(base)


@pytest.mark.parametrize("leaf", OURS)
def test_every_attribute_of_gunicorn_that_a_subclass_uses_is_checked_at_import(leaf: type) -> None:
    ours, base = ancestry(leaf)
    code = [each.__code__ for cls in base.__mro__ for each in vars(cls).values() if hasattr(each, "__code__")]
    of_gunicorn = {*dir(base), *(name for each in code for name in each.co_names)}
    assert (set(own_attributes(ours)) & of_gunicorn) - {"__init__"} <= listed(base)
