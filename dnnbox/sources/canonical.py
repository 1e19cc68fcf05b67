"""Recipe → SourceTree: the source of a known family, local where it is the right one, else its canonical repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dnnbox.errors import SourceNotFound
from dnnbox.records.evidence import Evidence
from dnnbox.records.source import Recipe, SourceTree
from dnnbox.sources.facts import lfs_pointers
from dnnbox.sources.packaging import package_of
from dnnbox.sources.search import Located, in_folder
from dnnbox.text import visible
from dnnbox.walk import read_head

Make = Callable[[str, Located], SourceTree]


def is_right(recipe: Recipe, located: Located) -> bool:
    """Tell whether local source is that of the family: the class is there and takes what the recipe gives it.

    Common names (``model.GPT``, ``models.resnet.ResNet``) are found in many a workspace.
    """
    file = next((each.file for each in located.definitions), "")
    text = (read_head(located.root / file, 2 << 20) or b"").decode("utf-8", "replace")
    given = [name for name in recipe.arguments if f"{name}=" in recipe.build]
    return bool(text) and all(name in text for name in given)


def of_recipe(recipe: Recipe, refs_dir: Path | None, *, offline: bool, make: Make) -> SourceTree:
    """Return the family's canonical source, cloned below ``refs_dir``; without one, what would be cloned.

    Raises:
        SourceNotFound: offline, the host cannot be reached, or the repository is not as the catalogue says.
    """
    from dnnbox.sources import git

    what = Evidence("the canonical repository of the family", "catalogue of known families", recipe.commit, 0.8)
    if refs_dir is None:
        tag = recipe.tag or recipe.commit[:12]
        planned = SourceTree("git", classes=(recipe.cls,), url=recipe.url, commit=recipe.commit, tag=tag)
        return replace(planned, licence=recipe.licence, package=recipe.package, recipe=recipe, evidence=(what,))
    if offline:
        raise SourceNotFound(
            f"{recipe.title} needs its source, and `--offline` forbids to clone {recipe.url}",
            hint=by_hand(recipe),
            phase="source",
        )
    try:
        checkout = git.clone(git.remote(f"{recipe.url}@{recipe.commit}"), refs_dir)
    except SourceNotFound as error:
        error.hint = by_hand(recipe)
        raise
    located = in_folder(checkout / recipe.root, (recipe.cls,))
    if located is None:
        raise SourceNotFound(
            f"{recipe.url} does not define {recipe.cls}", hint="give it with `--source`", phase="source"
        )
    tree = with_checkout(make("git", located), checkout)
    return replace(
        tree, url=recipe.url, tag=recipe.tag, recipe=recipe, evidence=(*tree.evidence, what, *recipe.evidence)
    )


def by_hand(recipe: Recipe) -> str:
    """Return the commands that get the source where dnnbox may not or cannot."""
    fetch = f"git init SRC && git -C SRC fetch --depth 1 {recipe.url} {recipe.commit} && git -C SRC checkout FETCH_HEAD"
    return f"where there is a network: `{fetch}`; then `--source SRC`"


def with_checkout(tree: SourceTree, checkout: Path) -> SourceTree:
    """Return the tree of a fresh clone with its dates, its package, and what the clone does not hold."""
    from dnnbox.sources import git, submodules

    evidence = [
        Evidence("submodule not fetched", visible(path, 120), "not needed unless an import fails", 0.2)
        for path in submodules.missing(checkout)
    ]
    pointers = lfs_pointers(checkout)
    if pointers:
        shown = ", ".join(visible(name, 60) for name in pointers[:3])
        evidence.append(
            Evidence(f"{len(pointers)} files lie in large file storage and were not fetched", shown, "", 0.2)
        )
    return replace(
        tree,
        committed=git.commit_date(checkout),
        fetched=datetime.now(UTC).date().isoformat(),
        package=package_of(checkout),
        evidence=(*tree.evidence, *evidence),
    )
