"""The check of the site's links finds what is broken."""

from docs_scripts.links import check


def site(folder, **pages):
    for name, text in pages.items():
        path = folder / f"{name}.html"
        path.write_text(f"<h1 id='top'>x</h1>{text}", encoding="utf-8")
    return check(folder)[0]


def test_links_that_lead_somewhere(tmp_path):
    (tmp_path / "a b.svg").write_text("<svg/>", encoding="utf-8")
    links = "<a href='two.html#top'>a</a><a href='#top'>b</a><img src='a%20b.svg'>"
    assert site(tmp_path, one=links, two="<a href='https://doi.org/10.1/x'>c</a>") == []


def test_broken_links(tmp_path):
    problems = site(
        tmp_path,
        one="<a href='three.html'>a</a><a href='two.html#end'>b</a><a href='../out.html'>c</a>",
        two="<script src='https://cdn.example/x.js'></script><img src='none.svg'>",
    )
    assert problems == [
        "one.html: three.html leads to no file of the site",
        "one.html: two.html#end leads to no place on the page",
        "one.html: ../out.html leads to no file of the site",
        "two.html: https://cdn.example/x.js is loaded from the network",
        "two.html: none.svg leads to no file of the site",
    ]
