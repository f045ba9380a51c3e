"""List pages: sorted by name, continued after the last name of the page before."""

from collections.abc import Iterable

MAX_PAGE_SIZE = 1000


def page(names: Iterable[str], page_size: int, page_token: str) -> tuple[list[str], str]:
    """One page of `names` and the token of the next, empty after the last; a size of 0 means the maximum."""
    limit = min(page_size, MAX_PAGE_SIZE) if page_size > 0 else MAX_PAGE_SIZE
    rest = sorted(name for name in names if name > page_token)
    return rest[:limit], rest[limit - 1] if len(rest) > limit else ""


def in_project(names: Iterable[str], project: str) -> list[str]:
    """Those of `names` that belong to `projects/PROJECT`."""
    return [name for name in names if name.startswith(f"{project}/")]
