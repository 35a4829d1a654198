"""Check a built site: each link leads somewhere, and no page loads anything from the network.

``python -m docs_scripts.links build/site`` prints what is wrong, a line each, then the number of
pages, their size and the number of links. Its exit code is 1 if anything is wrong. Links to other
sites are only counted: they cannot be followed where no network is.
"""

import argparse
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Attributes whose address a browser loads by itself.
LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}
#: Relations of `link` elements that browsers do not follow by themselves.
NAMED_ONLY = {"canonical", "next", "prev", "edit", "alternate"}


@dataclass
class Page(HTMLParser):
    """The links and the anchors of one HTML page."""

    links: list[tuple[str, bool]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=lambda: {""})

    def __post_init__(self) -> None:
        """Prepare the parser."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what an element links to, and the anchors that it sets."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        named_only = values.get("rel", "") in NAMED_ONLY
        for name in ("href", "src"):
            if name in values:
                self.links.append((values[name], (tag, name) in LOADED and not named_only))


@cache
def read(path: Path) -> Page:
    """Return the links and anchors of a file of the site."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def problem(link: str, loaded: bool, path: Path, site: Path) -> str | None:
    """Return what is wrong with a link of a page, or None."""
    parts = urlsplit(link)
    if parts.scheme in {"http", "https"} or parts.netloc:
        return "is loaded from the network" if loaded else None
    if parts.scheme:
        return None
    base = site if parts.path.startswith("/") else path.parent
    target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site.resolve()) or not target.is_file():
        return "leads to no file of the site"
    if target.suffix == ".html" and unquote(parts.fragment) not in read(target).anchors:
        return "leads to no place on the page"
    return None


def check(site: Path) -> tuple[list[str], str]:
    """Return a site's broken links, and a line with its numbers of pages, bytes and links."""
    pages = sorted(path.resolve() for path in site.rglob("*.html") if path.name != "404.html")
    found = [(page, *link) for page in pages for link in read(page).links]
    problems = [
        f"{page.relative_to(site.resolve())}: {link} {reason}"
        for page, link, loaded in found
        if (reason := problem(link, loaded, page, site))
    ]
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    others = len({link for _, link, _ in found if link.startswith("http")})
    return problems, (
        f"{len(pages)} pages, {size / 1e6:.1f} MB, {len(found):,} links; "
        f"{others} addresses on other sites, not followed"
    )


def main() -> None:
    """Check the site whose folder is the argument."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("site", type=Path)
    problems, summary = check(parser.parse_args().site)
    print(*problems, summary, sep="\n")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
