"""A picture as SVG, readable on light and dark pages: shapes and texts in named colours.

A picture in an `img` element takes no colour from its page. So it has a background of its own, and
both follow the colour scheme that the reader's system prefers.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, Literal

#: Names of colours. `ink`, `muted` and `line` are for texts, axes and grids.
Colour = Literal["ink", "muted", "line", "blue", "orange", "green", "purple", "gold", "grey"]

#: Each colour on a light and on a dark background; Okabe and Ito's where they have enough contrast.
COLOURS: Final[dict[Colour, tuple[str, str]]] = {
    "ink": ("#1b1e26", "#e8e9ee"),
    "muted": ("#5d6370", "#a9aebb"),
    "line": ("#dcdfe6", "#3b404d"),
    "blue": ("#0072b2", "#56b4e9"),
    "orange": ("#c24e00", "#ff9c57"),
    "green": ("#00805d", "#3ecf9f"),
    "purple": ("#a04b8c", "#e0a0cf"),
    "gold": ("#8f6b00", "#e8c547"),
    "grey": ("#8a909c", "#8a909c"),
}
_PAPER: Final = ("#ffffff", "#1e2129")

#: Height of texts, in points. At 390 px the page shows a point as 0.75 px, on a wide screen as
#: 1.25 px.
TEXT: Final = 13.0
SMALL: Final = 11.5
#: Width of all pictures in points, and as they are shown where there is room.
WIDTH: Final = 480.0
_SHOWN: Final = 1.25

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


class Canvas:
    """Shapes in the order in which they are drawn; the first ones lie below."""

    def __init__(self, height: float, title: str) -> None:
        """Begin a picture.

        Args:
            height: in points.
            title: what it shows, for readers who cannot see it.
        """
        self.height, self.title = height, title
        self._parts: list[str] = []

    def heading(self, text: str, below: str) -> None:
        """Write what the picture shows, and below it of which series and in which unit."""
        self.text((12.0, 22.0), text, bold=True)
        self.text((12.0, 39.0), below, colour="muted", size=SMALL)

    def text(
        self,
        at: Point,
        text: str,
        *,
        colour: Colour = "ink",
        anchor: Anchor = "start",
        size: float = TEXT,
        bold: bool = False,
    ) -> None:
        """Write a line of text; `at` is the place on its base line."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{_n(at[0])}" y="{_n(at[1])}" class="f-{colour}" text-anchor="{anchor}" '
            f'font-size="{size:g}"{weight}>{escape(text)}</text>'
        )

    def line(
        self,
        points: Iterable[Point],
        colour: Colour,
        *,
        width: float = 1.5,
        dashes: str = "",
        arrow: bool = False,
    ) -> None:
        """Draw a line through points, with an arrow at its end or without."""
        marks = f' stroke-dasharray="{dashes}"' if dashes else ""
        marks += f' marker-end="url(#a-{colour})"' if arrow else ""
        self._parts.append(
            f'<path d="{_path(points)}" class="s-{colour}" fill="none" stroke-width="{width:g}" '
            f'stroke-linejoin="round"{marks}/>'
        )

    def area(self, points: Iterable[Point], colour: Colour, *, opacity: float = 0.25) -> None:
        """Fill the area inside of points."""
        self._parts.append(
            f'<path d="{_path(points)}Z" class="f-{colour}" fill-opacity="{opacity:g}"/>'
        )

    def box(
        self,
        corner: Point,
        size: Point,
        colour: Colour,
        *,
        opacity: float = 1.0,
        open_: bool = False,
    ) -> None:
        """Draw a rectangle, filled or as its frame alone."""
        kind = f'class="s-{colour}" fill="none"' if open_ else f'class="f-{colour}"'
        shade = "" if opacity == 1.0 else f' fill-opacity="{opacity:g}"'
        self._parts.append(
            f'<rect x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(size[0])}" '
            f'height="{_n(size[1])}" rx="2" {kind}{shade}/>'
        )

    def dots(
        self, points: Iterable[Point], colour: Colour, *, radius: float = 3.0, open_: bool = False
    ) -> None:
        """Draw a filled circle or a ring at each point."""
        kind = f'class="s-{colour}" fill="none"' if open_ else f'class="f-{colour}"'
        rings = "".join(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{radius:g}"/>' for x, y in points)
        self._parts.append(f'<g {kind} stroke-width="1.5">{rings}</g>')

    def legend(self, at: Point, names: Sequence[tuple[str, Colour]], *, gap: float = 14.0) -> None:
        """Write names beside patches of their colours, in rows."""
        x, y = at
        for name, colour in names:
            width = 14.0 + text_width(name, SMALL)
            if x > at[0] and x + width > WIDTH - 8.0:
                x, y = at[0], y + 17.0
            self.box((x, y - 9.0), (10.0, 10.0), colour)
            self.text((x + 14.0, y), name, size=SMALL)
            x += width + gap

    def svg(self) -> str:
        """Return the picture, the same text for the same shapes."""
        arrows = "".join(_arrow(colour) for colour in COLOURS if self._has_arrow(colour))
        shapes = "\n".join(self._parts)
        size = f'width="{_n(_SHOWN * WIDTH)}" height="{_n(_SHOWN * self.height)}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(WIDTH)} {_n(self.height)}" '
            f'{size} role="img" font-family="system-ui, -apple-system, \'Segoe UI\', Roboto, '
            f"'DejaVu Sans', sans-serif\">\n<title>{escape(self.title)}</title>\n"
            f"<style>{_style()}</style>\n<defs>{arrows}</defs>\n"
            f'<rect width="100%" height="100%" rx="6" class="paper"/>\n{shapes}\n</svg>\n'
        )

    def _has_arrow(self, colour: Colour) -> bool:
        return any(f"url(#a-{colour})" in part for part in self._parts)


def text_width(text: str, size: float = TEXT) -> float:
    """Return about the width of a text, in points."""
    return 0.56 * size * len(text)


def _style() -> str:
    light, dark = (_rules(scheme) for scheme in (0, 1))
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _rules(scheme: int) -> str:
    """Return the style of each colour, on a light (0) or a dark (1) background."""
    rules = [f".paper{{fill:{_PAPER[scheme]}}}"]
    for name, colours in COLOURS.items():
        rules.append(f".f-{name}{{fill:{colours[scheme]}}}.s-{name}{{stroke:{colours[scheme]}}}")
    return "".join(rules)


def _arrow(colour: Colour) -> str:
    return (
        f'<marker id="a-{colour}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" '
        f'markerHeight="5" orient="auto"><path d="M0 0L8 4L0 8Z" class="f-{colour}"/></marker>'
    )


def _path(points: Iterable[Point]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(number: float) -> str:
    """Return a number with one decimal at most."""
    text = f"{float(number):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
