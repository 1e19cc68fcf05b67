"""Inspection → SourceTree: the code that a checkpoint names, beside it, in the workspace, given, or cloned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from dnnbox.errors import NotReadable, SourceNotFound
from dnnbox.files import expanded
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import Recipe, SourceTree
from dnnbox.sources.canonical import is_right, of_recipe, with_checkout
from dnnbox.sources.classes import MAIN, foreign
from dnnbox.sources.facts import checkout_of, licence_of, public_url, python_sha256
from dnnbox.sources.packaging import package_of
from dnnbox.sources.search import Located, in_folder, locate, locate_above, missing_in
from dnnbox.text import visible
from dnnbox.walk import Budget

_Origin = Literal["adjacent", "workspace", "given", "git"]
_PLACES: dict[str, str] = {
    "adjacent": "beside the checkpoint",
    "workspace": "in the workspace",
    "given": "under --source",
    "git": "in the repository",
}


def obtain(
    inspection: Inspection,
    identity: Identity,  # noqa: ARG001 - the stage's signature: what a library builds needs no source
    *,
    given: str | None,
    workspace: Path,
    refs_dir: Path | None = None,
    recipe: Recipe | None = None,
    offline: bool = False,
    is_bare: bool = False,
) -> SourceTree:
    """Return the source tree that defines the classes which the checkpoint names and no library holds.

    ``recipe`` says how a known family is built: then its class is what is looked for, and its canonical repository is
    the last place, never asked with ``offline``.

    ``is_bare``: the weights name no class and no library builds them; then a tree nearby whose classes explain the
    tensors' names is taken.

    ``given`` is a directory, a Python file or URL[@REF]. A repository is cloned below ``refs_dir``; without one the
    tree has no root yet and says what would be cloned.

    Raises:
        SourceNotFound: classes are needed and nothing defines them, or the repository has no such commit, or its host
            cannot be reached.
        NotReadable: the given path does not exist.
        Usage: the repository's URL is refused.
    """
    # Beside plain weights the classes are configuration, which is read without them.
    names = () if inspection.plain_weights else foreign(inspection.needs_code)
    if given:
        return _with_recipe(_given(given, names, refs_dir), recipe)
    if recipe is not None:
        return _of_known(recipe, Path(inspection.path), workspace, refs_dir, offline=offline)
    if not names:
        return _of_bare(inspection, workspace) if is_bare else SourceTree("none")
    # One budget per place: a checkpoint in a crowded folder must not use up what the workspace's search may cost.
    budgets = (Budget(), Budget())
    for origin, located in _searched(Path(inspection.path), names, workspace, budgets):
        if located is not None:
            return _tree(origin, located)
    raise _not_found(names, exhausted=any(budget.exhausted for budget in budgets))


def _of_bare(inspection: Inspection, workspace: Path) -> SourceTree:
    from dnnbox.sources.nearby import nearby  # reads syntax trees: only where nothing says what the weights are

    found = nearby(inspection, workspace)
    if found is None:
        return SourceTree("none")
    place, root = found
    said = Evidence("its classes explain the tensors' names", root.name, _PLACES[place], 0.6)
    tree = _tree(place, Located(root, ()))
    return replace(tree, package=package_of(root), evidence=(said, *tree.evidence))


def _given(given: str, names: Sequence[str], refs_dir: Path | None) -> SourceTree:
    return _from_git(given, names, refs_dir) if _is_url(given) else _from_path(expanded(given), names)


def _with_recipe(tree: SourceTree, recipe: Recipe | None) -> SourceTree:
    """Return a tree that was given with the recipe, where it holds the family's class."""
    if recipe is None:
        return tree
    if not tree.root:
        return replace(tree, recipe=recipe)
    base = Path(tree.root)
    found = in_folder(base / recipe.root, (recipe.cls,)) or locate(base, (recipe.cls,), Budget(seconds=5.0))
    if found is None or not is_right(recipe, found):
        return tree
    known = _tree("given" if tree.origin == "given" else "git", found)
    return replace(
        known,
        url=tree.url or known.url,
        commit=tree.commit or known.commit,
        tag=tree.tag or known.tag,
        committed=tree.committed,
        fetched=tree.fetched,
        package=tree.package or package_of(base),
        recipe=recipe,
    )


def _of_known(recipe: Recipe, checkpoint: Path, workspace: Path, refs_dir: Path | None, *, offline: bool) -> SourceTree:
    for origin, located in _searched(checkpoint, (recipe.cls,), workspace, (Budget(), Budget())):
        if located is not None and is_right(recipe, located):
            return replace(_tree(origin, located), package=package_of(located.root), recipe=recipe)
    return of_recipe(recipe, refs_dir, offline=offline, make=lambda _, located: _tree("git", located))


def _searched(
    checkpoint: Path, names: Sequence[str], workspace: Path, budgets: tuple[Budget, Budget]
) -> Iterator[tuple[_Origin, Located | None]]:
    """Yield one answer per place, the nearest first; a later place is looked into only when it is asked for."""
    beside = (checkpoint if checkpoint.is_dir() else checkpoint.parent).resolve()
    yield "adjacent", locate(beside, names, budgets[0], depth=3)
    yield "adjacent", locate_above(beside, names)
    yield "workspace", locate(workspace.resolve(), names, budgets[1])


def _not_found(names: Sequence[str], *, exhausted: bool) -> SourceNotFound:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    shown = ", ".join(visible(name, 80) for name in names[:4]) + more
    early = "; the search stopped at its limits" if exhausted else ""
    return SourceNotFound(
        f"the checkpoint names classes whose code was not found beside it or in the workspace: {shown}{early}",
        hint="give the directory that holds it with `--source PATH|URL[@REF]`",
        phase="source",
        details={
            "classes": list(names),
            "cause": "the file was saved as whole objects, so it holds names of classes, not their code",
        },
    )


def _from_path(path: Path, names: Sequence[str]) -> SourceTree:
    if not path.exists():
        raise NotReadable(
            f"--source `{visible(str(path), 120)}` does not exist",
            hint="give a directory or a repository's URL",
            phase="source",
        )
    base = (path if path.is_dir() else path.parent).resolve()
    if not names:
        return replace(_tree("given", Located(base, ())), package=package_of(base))
    # A package's own directory is a natural thing to give; its parent is the import root then.
    located = locate(base, names, Budget(seconds=5.0)) or in_folder(base.parent, names)
    if located is None:
        raise _missing(f"--source `{visible(path.name or str(path), 80)}`", base, names)
    return _tree("given", located)


def _missing(where: str, base: Path, names: Sequence[str]) -> SourceNotFound:
    lacking = missing_in(base, names, Budget(seconds=5.0)) or tuple(names)
    listed = ", ".join(visible(name, 80) for name in lacking[:4])
    together = "" if lacking != tuple(names) or len(names) == 1 else " in one directory"
    return SourceNotFound(
        f"{where} does not define {listed}{together}",
        hint="give the directory that its imports start from",
        phase="source",
        details={"classes": list(lacking)},
    )


def _is_url(given: str) -> bool:
    from dnnbox.sources import git  # starts processes: only where a source was given

    return git.is_url(given)


def _from_git(given: str, names: Sequence[str], refs_dir: Path | None) -> SourceTree:
    from dnnbox.sources import git

    remote = git.remote(given)
    url = public_url(remote.url) or remote.name
    if refs_dir is None:
        what = Evidence("the source will be cloned", "--source", remote.ref or "the default branch")
        return SourceTree("git", classes=tuple(names), url=url, tag=remote.ref, evidence=(what,))
    directory = git.clone(remote, refs_dir)
    located = locate(directory, names, Budget(seconds=5.0)) if names else Located(directory, ())
    if located is None:
        raise _missing(f"the repository {visible(url, 120)}", directory, names)
    tree = with_checkout(_tree("git", located), directory)
    return replace(tree, url=url, tag=tree.tag or remote.ref)


def _tree(origin: _Origin, located: Located) -> SourceTree:
    files = tuple(dict.fromkeys(each.file for each in located.definitions))
    checkout = checkout_of(located.root, files)
    sha256 = python_sha256(located.root)
    evidence = [
        Evidence(f"{each.name} is defined", f"{each.file}:{each.line}", _PLACES[origin]) for each in located.definitions
    ]
    if not sha256:
        evidence.append(Evidence("the source is not hashed", "--source", "too many files below its root", 0.0))
    return SourceTree(
        origin,
        root=str(located.root),
        classes=tuple(each.name for each in located.definitions),
        files=files,
        url=checkout.url,
        commit=checkout.commit,
        tag=checkout.tag,
        licence=licence_of(located.root, files),
        sha256=sha256,
        main=next((each.file for each in located.definitions if each.name.startswith(f"{MAIN}.")), ""),
        evidence=tuple(evidence),
    )
