"""Elements of a page. Text is escaped when the page is written, wherever it comes from."""

from xml.etree.ElementTree import Element, tostring

Child = Element | str

SHOWN_CHARACTERS = 60


def node(tag: str, *children: Child, **attributes: str) -> Element:
    """Make an element; `class_` stands for `class`, and other underscores for dashes."""
    element = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + child
        else:
            element.text = (element.text or "") + child
    return element


def shown(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """Return a name or a value as it can be read: not too long, and without what cannot be seen."""
    visible = "".join(_seen(letter) for letter in text)
    return visible if len(visible) <= characters else f"{visible[: characters - 1]}…"


def _seen(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}"


def document(title: str, style: str, *body: Child) -> str:
    """Write a whole page that needs nothing but itself."""
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="color-scheme", content="light dark"),
        node("title", title),
        node("style", style),
    )
    page = node("html", head, node("body", *body), lang="en")
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"
