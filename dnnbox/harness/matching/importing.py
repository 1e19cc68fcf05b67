"""Imports of the source inside the box: paths and stand-ins are added only as far as an import asks for them."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Dict, List, Optional, Sequence, Set

from . import oldnames, standins
from ..runtimes.torchvision_import import MISMATCH, import_torchvision

_MOST_TRIES = 60
TAKEN = ("code", "platform", "parser", "token", "types", "select", "queue", "signal", "site", "profile", "statistics")
_VERSION_CHECKS = ("DistributionNotFound", "VersionConflict", "PackageNotFoundError")


class Source:
    """The import roots of the source. ``folders``: name → folders of the tree that hold a module of that name."""

    def __init__(self, roots: Sequence[str], folders: Dict[str, List[str]]) -> None:
        self.roots = list(roots)
        self.folders = folders
        self.paths: List[str] = list(roots)
        self.missing: List[str] = []
        self.lacking: List[str] = []
        self.errors: List[str] = []
        self.notes: List[str] = []
        self.bare: Dict[str, str] = {}
        self._known: Dict[str, Any] = {}
        self._whole: Set[str] = set()
        for root in reversed(self.roots):
            if root in sys.path:
                sys.path.remove(root)
            sys.path.insert(0, root)

    def resolve(self, ref: str) -> Any:
        """Return what ``models/net.py:Net``, ``…:Net.make``, ``…:Exp().get_model`` or ``torch.nn:GELU`` names."""
        place, _, name = ref.partition(":")
        module = self.module(place)
        value = module
        for part in [part for part in name.split(".") if part]:
            value = getattr(value, part[:-2])() if part.endswith("()") else getattr(value, part)
        return value

    def module(self, place: str) -> Any:
        """Import a file of the tree, or a module of a library; an import that failed once fails again at once."""
        if place not in self._known:
            try:
                self._known[place] = self._import_somehow(place)
                self._whole.update(self._own_modules())  # classes look for their own modules long after the import
            except (Exception, SystemExit) as error:
                self._known[place] = error
                self.errors.append("import of %s: %s: %s" % (place, type(error).__name__, str(error)[:200]))
        found = self._known[place]
        if isinstance(found, BaseException):
            raise ImportError("%s does not import: %s" % (place, found)) from found
        return found

    def dotted(self, place: str) -> str:
        """Return the module's dotted name."""
        if not place.endswith(".py"):
            return place
        name = place[:-3].replace("/", ".")
        return name[: -len(".__init__")] if name.endswith(".__init__") else name

    def _import_somehow(self, place: str) -> Any:
        """Import a file; where its packages' own imports fail, without them: the file may need little of that."""
        try:
            return self._import(place)
        except (Exception, SystemExit):
            folders = {name: folder for name, folder in self._packages(place).items() if name not in self._whole}
            if set(folders) <= set(self.bare):
                raise
            self._forget()
            standins.bare_packages(folders)
            try:
                found = self._import(place)
            except (Exception, SystemExit):
                for name in set(folders) - set(self.bare):
                    sys.modules.pop(name, None)
                self._forget()
                raise
            self.bare.update(folders)
            return found

    def _packages(self, place: str) -> Dict[str, str]:
        """Return the packages around a file that have an ``__init__.py``, with their folders."""
        parts = place.split("/")[:-1] if place.endswith(".py") else []
        found = {}
        for end in range(1, len(parts) + 1):
            for root in self.roots:
                folder = os.path.join(root, *parts[:end])
                if os.path.isfile(os.path.join(folder, "__init__.py")):
                    found[".".join(parts[:end])] = folder
        return found

    def helped(self, error: BaseException) -> bool:
        """Tell whether a build that lacked a module or an old name may be tried again: it is there now, or stood in
        for."""
        return _bring_back(error) or (isinstance(error, ImportError) and self._help(error, ""))

    def _import(self, place: str) -> Any:
        name = self.dotted(place)
        for _ in range(_MOST_TRIES):
            try:
                return (
                    self._by_path(place)
                    if place.endswith(".py") and has_no_name(name)
                    else importlib.import_module(name)
                )
            except RuntimeError as error:
                if MISMATCH not in str(error) or self.notes:
                    raise
                import_torchvision(self)
                self._forget()
            except ImportError as error:
                if not (_bring_back(error) or self._help(error, place)):
                    raise
                self._forget()
            except Exception as error:
                if not (_bring_back(error) or _lenient(error)):
                    raise
                self._forget()
        raise ImportError("%s: too many modules are missing" % name)

    def _by_path(self, place: str) -> Any:
        return by_path(next(p for p in (os.path.join(root, place) for root in self.roots) if os.path.isfile(p)))

    def note(self, text: str) -> None:
        """Keep a remark."""
        self.notes.append(text)

    def _help(self, error: ImportError, place: str) -> bool:
        """Add what would let the import go further; False if nothing is left to try."""
        lacking = standins.missing_name(error)
        if lacking is not None and lacking not in self.lacking and not self._is_own(lacking.partition(":")[0]):
            self.lacking.append(lacking)
            standins.stand_in([], [lacking])
            return True
        compiled = (
            lacking.replace(":", ".") if lacking is not None and self._is_folder(lacking.partition(":")[0]) else ""
        )
        if compiled and compiled not in self.missing:
            self.missing.append(compiled)
            standins.stand_in([compiled])
            return True
        name = error.name or ""
        if not isinstance(error, ModuleNotFoundError) or not name or name in self.missing:
            return False
        top = name.partition(".")[0]
        if self._add_folder(top, place):
            return True
        stood = name if top in sys.modules and not self._is_own(top) else top
        if stood in self.missing or (self._is_own(top) and top == name and top in self.missing):
            return False
        self.missing.append(name if self._is_own(top) else stood)
        standins.stand_in([self.missing[-1]])
        return True

    def _add_folder(self, top: str, place: str) -> bool:
        """Put a folder of the tree on the path that holds the missing module, the nearest first."""
        here = place.rpartition("/")[0]
        for folder in sorted(
            self.folders.get(top, []), key=lambda f: (not (here + "/").startswith(f + "/" if f else ""), -len(f))
        ):
            for root in self.roots:
                path = os.path.join(root, folder) if folder else root
                if os.path.isdir(path) and path not in self.paths:
                    self.paths.append(path)
                    sys.path.append(path)
                    return True
        return False

    def _is_own(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top in self.folders or any(os.path.exists(os.path.join(p, top)) for p in self.paths)

    def _is_folder(self, name: str) -> bool:
        """Tell whether a package is a mere folder: what an import looks for in it is a module, which a build would put
        there."""
        found = [os.path.join(path, *name.split(".")) for path in self.paths]
        folders = [path for path in found if os.path.isdir(path)]
        return bool(folders) and not any(os.path.isfile(os.path.join(path, "__init__.py")) for path in folders)

    def forget_all(self) -> None:
        """Take all of the source's own modules away: a script that is run imports them anew."""
        self._whole = set()
        self._forget()

    def _forget(self) -> None:
        """Take the source's own half-imported modules away, so that the next try starts afresh."""
        for name in self._own_modules() - self._whole:
            del sys.modules[name]
        importlib.invalidate_caches()

    def _own_modules(self) -> Set[str]:
        """Return the names of the source's own modules that are there."""
        places = {name: _path_of(module) for name, module in list(sys.modules.items())}
        return {name for name, path in places.items() if any(path.startswith(root + os.sep) for root in self.roots)}

    def relative_paths(self) -> List[str]:
        """Return the folders on the path, relative to the first root; other roots as they are."""
        return [self.relative(path) for path in self.paths]

    def relative(self, path: str) -> str:
        """Return a path relative to the first root, or as it is where it lies outside."""
        relative = os.path.relpath(path, self.roots[0])
        return path if relative.startswith("..") else relative


def _path_of(module: Any) -> str:
    """Return a module's file; of a package without one its folder, for it holds its modules as attributes."""
    try:
        return str(getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", None) or ()), ""))
    except KeyError:  # its parent is no longer there
        return ""


def has_no_name(name: str) -> bool:
    """Tell whether a file cannot be imported by its dotted name: a part is none, or its folder is called like a module
    of Python's own, ``code``, which is there first."""
    parts = name.split(".")
    return not all(part.isidentifier() for part in parts) or (len(parts) > 1 and parts[0] in TAKEN)


def by_path(path: str) -> Any:
    """Import a file whose name, or a folder's on the way to it, is no name in Python."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3].replace("-", "_"), path)
    if spec is None or spec.loader is None:
        raise ImportError("%s is no Python file" % path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _bring_back(error: BaseException) -> bool:
    """Give libraries their old names back where an error is about one, once."""
    if oldnames.NOTE in standins.NOTED or not oldnames.explains(error):
        return False
    oldnames.bring_back()
    return True


def _lenient(error: Exception) -> bool:
    """Take a check of versions at import away that failed; the packages themselves tell soon enough whether they do."""
    noted = len(standins.NOTED)
    if type(error).__name__ in _VERSION_CHECKS and "version checks" not in standins.NOTED:
        standins.without_version_checks()
    elif isinstance(error, (AttributeError, TypeError)) and "NoneType" in str(error):
        standins.without_cuda_version()
    return len(standins.NOTED) > noted


def file_of(module: Any, roots: Sequence[str]) -> Optional[str]:
    """Return a module's file relative to one of the roots."""
    path = getattr(module, "__file__", None) or ""
    for root in roots:
        if path.startswith(root + os.sep):
            return os.path.relpath(path, root)
    return None
