"""The drawing of the modules: a box for each folder with its modules, and an arrow where it imports another one."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import svg
from .imports import PACKAGE, read_modules

WIDTH: Final = 1180
_MARGIN: Final = 22
_GAP: Final = 18
# Between two rows, for the arrows.
_ROW_GAP: Final = 58
_LINE: Final = 15
_HEAD: Final = 70
# Widths of a letter: of a module's name, and of what a folder says of itself.
_CODE_LETTER: Final = 6.7
_LETTER: Final = 5.6
# Where the known boxes stand: a title for each band, and its rows. What is not named here comes last in its band.
_BANDS: Final = (
    ("web/: the gunicorn side", (("web/server", "web/master", "web/intake"),)),
    (
        "web/: the Flask application",
        (
            ("web", "web/page", "web/api"),
            ("web/extension_state.py", "web/replies", "web/security", "web/encoders", "web/sockets"),
        ),
    ),
    (
        "service/",
        (
            ("service", "service/demo", "service/provider", "service/decoding", "service/failures", "service/runs"),
            (
                "service/concurrency",
                "service/observability",
                "service/events",
                "service/settings",
                "service/errors.py",
            ),
        ),
    ),
)
# Modules that stand alone though they are in the folder of their package: other folders import them.
_ALONE: Final = ("service/errors.py", "web/extension_state.py")


@dataclass(frozen=True)
class _Box:
    name: str
    modules: tuple[str, ...]
    purpose: str
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


def draw(root: Path) -> str:
    """Return the drawing as SVG.

    Args:
        root: The repository.
    """
    modules = read_modules(root)
    members: dict[str, list[str]] = {}
    for file in modules.files.values():
        if name := _box_of(file):
            members.setdefault(name, [])
            if file.stem != "__init__":
                members[name].append(file.stem)
    edges = {
        (source, target)
        for a, b in modules.imports
        if (source := _box_of(modules.files[a])) and (target := _box_of(modules.files[b])) and source != target
    }
    boxes, bands, height = _place(root, members)
    shown = _without_implied(edges)
    parts = [*bands, *_arrows(boxes, shown), *(part for each in boxes.values() for part in _draw_box(each))]
    parts.append(
        svg.text(
            _MARGIN,
            height - 16,
            "An arrow leads from a folder to one that it imports. Arrows that follow from others are left out. "
            "Dashed: against the direction of the layers.",
            "soft",
        )
    )
    return svg.document(WIDTH, height, "The modules of Sluice", _described(members, edges), parts)


def _box_of(file: Path) -> str | None:
    """Name the box of a file; the public names of the package are in none."""
    if file.parts[0] == PACKAGE or file == Path("service/__init__.py"):
        return None
    if str(file) in _ALONE:
        return str(file)
    return str(file.parent)


def _without_implied(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out each edge whose target can be reached by other edges as well."""
    kept = sorted(edges)
    for edge in sorted(edges):
        if _reaches(edge[0], edge[1], [other for other in kept if other != edge]):
            kept.remove(edge)
    return kept


def _reaches(start: str, goal: str, edges: Collection[tuple[str, str]]) -> bool:
    seen, waiting = set(), [start]
    while waiting:
        here = waiting.pop()
        seen.add(here)
        waiting += [target for source, target in edges if source == here and target not in seen]
    return goal in seen


def _place(root: Path, members: dict[str, list[str]]) -> tuple[dict[str, _Box], list[str], float]:
    boxes: dict[str, _Box] = {}
    bands: list[str] = []
    placed = {name for _, rows in _BANDS for row in rows for name in row}
    y = float(_MARGIN)
    for number, (title, rows) in enumerate(_BANDS):
        package = title.partition("/")[0]
        last_of_package = number == max(i for i, (other, _) in enumerate(_BANDS) if other.startswith(package))
        rest = sorted(name for name in members if name not in placed and name.split("/")[0] == package)
        top = y
        y += 30
        for row in [*rows, *([tuple(rest)] if rest and last_of_package else [])]:
            names = [name for name in row if name in members]
            if not names:
                continue
            width = (WIDTH - 2 * _MARGIN - 24 - _GAP * (len(names) - 1)) / len(names)
            most = max(-(-len(members[name]) // _columns(members[name], width)) for name in names)
            height = _HEAD + most * _LINE + 8
            for index, name in enumerate(names):
                x = _MARGIN + 12 + index * (width + _GAP)
                boxes[name] = _Box(name, tuple(members[name]), _purpose(root / name), x, y, width, height)
            y += height + _ROW_GAP
        y -= _ROW_GAP - 14
        bands += [
            svg.box(_MARGIN, top, WIDTH - 2 * _MARGIN, y - top, "band"),
            svg.text(_MARGIN + 12, top + 20, title, "soft"),
        ]
        y += 34
    return boxes, bands, y + 4


def _columns(modules: Collection[str], width: float) -> int:
    widest = max(map(len, modules), default=0) * _CODE_LETTER + 20
    return 2 if len(modules) > 2 and widest <= width / 2 else 1


def _purpose(path: Path) -> str:
    """Return the first sentence of a folder's or a module's docstring."""
    file = path if path.suffix else path / "__init__.py"
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "" if file.exists() else ""
    return " ".join(said.split("\n\n")[0].split())


def _draw_box(each: _Box) -> list[str]:
    parts = [
        svg.box(each.x, each.y, each.width, each.height),
        svg.text(each.x + 10, each.y + 19, each.name.rpartition("/")[2] or each.name, "title"),
    ]
    lines = textwrap.wrap(each.purpose, int((each.width - 20) / _LETTER), max_lines=3, placeholder=" …")
    parts += [svg.text(each.x + 10, each.y + 33 + 13 * number, line, "soft") for number, line in enumerate(lines)]
    columns = _columns(each.modules, each.width)
    per_column = max(1, -(-len(each.modules) // columns))
    for number, module in enumerate(each.modules):
        column, line = divmod(number, per_column)
        x = each.x + 10 + column * (each.width / columns)
        parts.append(svg.text(x, each.y + _HEAD + 8 + line * _LINE, module, "code"))
    return parts


def _arrows(boxes: dict[str, _Box], edges: Collection[tuple[str, str]]) -> list[str]:
    leaving: dict[str, list[str]] = {}
    arriving: dict[str, list[str]] = {}
    for source, target in edges:
        leaving.setdefault(source, []).append(target)
        arriving.setdefault(target, []).append(source)
    parts = []
    for source, target in edges:
        a, b = boxes[source], boxes[target]
        start = _port(a, boxes, target, leaving[source])
        end = _port(b, boxes, source, arriving[target])
        if b.y > a.y:
            bend = min(90.0, (b.y - a.bottom) * 0.6)
            path = (
                f"M{start:.1f} {a.bottom:.1f}C{start:.1f} {a.bottom + bend:.1f} "
                f"{end:.1f} {b.y - bend:.1f} {end:.1f} {b.y - 1:.1f}"
            )
            kind = "line"
        elif b.y == a.y:
            right = b.x > a.x
            x1, x2 = (a.x + a.width, b.x - 1) if right else (a.x, b.x + b.width + 1)
            y = a.y + 24 + 12 * (not right)
            next_to = abs(x2 - x1) < _GAP + 2
            path = f"M{x1:.1f} {y:.1f}H{x2:.1f}"
            if not next_to:
                x1, x2 = a.middle + (20 if right else -20), b.middle + (-20 if right else 20)
                path = f"M{x1:.1f} {a.y:.1f}C{x1:.1f} {a.y - 30:.1f} {x2:.1f} {a.y - 30:.1f} {x2:.1f} {a.y - 1:.1f}"
            kind = "line" if right else "warn"
        else:
            path = (
                f"M{start:.1f} {a.y:.1f}C{start:.1f} {a.y - 40:.1f} {end:.1f} {b.bottom + 40:.1f} "
                f"{end:.1f} {b.bottom + 1:.1f}"
            )
            kind = "warn"
        parts.append(svg.arrow(path, kind, title=f"{source} imports {target}"))
    return parts


def _port(each: _Box, boxes: dict[str, _Box], other: str, others: Collection[str]) -> float:
    """Return where an arrow touches a box, so that arrows to the left stand at the left."""
    ordered = sorted(others, key=lambda name: (boxes[name].middle, name))
    share = (ordered.index(other) + 1) / (len(ordered) + 1)
    return each.x + each.width * (0.12 + 0.76 * share)


def _described(members: dict[str, list[str]], edges: Collection[tuple[str, str]]) -> str:
    """Say the drawing in words: every folder with its modules, and every import between folders."""
    said = [f"{name} holds {', '.join(members[name])}." for name in sorted(members) if members[name]]
    for name in sorted({source for source, _ in edges}):
        targets = sorted(target for source, target in edges if source == name)
        said.append(f"{name} imports {', '.join(targets)}.")
    return " ".join(said)
