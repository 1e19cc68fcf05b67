"""``dnnbox inspect --tensors``: the tensors as a tree of modules, each with what lies below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.cli.screens.layout import GAP, Cell, Look, clip, grid
from dnnbox.records.inspection import TensorInfo
from dnnbox.reports import numbers
from dnnbox.text import visible

_DEEPEST = 10  # levels that are indented; what lies deeper keeps its dotted name
_DTYPE, _SHAPE, _COUNT, _SIZE = 10, 20, 9, 9

_INDENT = 2 * numbers.NBSP  # a plain space at the start of a cell is where it may wrap
_NARROW = 90  # below it the numbers give way: shapes and bytes tell more

Row = tuple[Cell | str, ...]


class Node:
    """A module: what it holds, by the next part of the name."""

    __slots__ = ("bytes", "children", "elements", "tensors")

    def __init__(self) -> None:
        self.children: dict[str, Node | TensorInfo] = {}
        self.tensors = self.elements = self.bytes = 0

    def add(self, info: TensorInfo) -> None:
        """Count a tensor; a tie has its numbers counted where the storage is."""
        self.tensors += 1
        if not info.tied_to:
            elements = prod(info.shape)
            self.elements += elements
            self.bytes += size_bytes(info.dtype, elements)


def tensor_tree(look: Look, tensors: Sequence[TensorInfo]) -> list[str]:
    """Return a line for each module and each tensor: type, shape, numbers, bytes; the totals stand first."""
    root = Node()
    for info in tensors:
        _insert(root, info)
    rows = [_row_of_module(f"all {numbers.count(root.tensors)} tensors", root, 0), *_rows(root, 0)]
    widths: tuple[int, ...] = (_DTYPE, _SHAPE, _COUNT, _SIZE)
    if look.columns < _NARROW:
        widths = (_DTYPE, _SHAPE, _SIZE)
        rows = [(*row[:3], row[-1]) for row in rows]
    names = look.columns - sum(widths) - GAP * len(widths)
    return grid(look, (0, *widths), [(clip(str(name), names), *rest) for name, *rest in rows])


def _insert(root: Node, info: TensorInfo) -> None:
    *path, leaf = info.name.split(".", _DEEPEST)
    node = root
    node.add(info)
    for part in path:
        name = part
        while isinstance(node.children.get(name), TensorInfo):  # of a module's own name: rare, stays beside the module
            name += " "
        child = node.children.get(name)
        if not isinstance(child, Node):
            child = Node()
            node.children[name] = child
        node = child
        node.add(info)
    while leaf in node.children:
        leaf += " "
    node.children[leaf] = info


def _rows(node: Node, level: int) -> Iterator[Row]:
    for name, child in node.children.items():
        if isinstance(child, TensorInfo):
            yield _row_of_tensor(name, child, level)
            continue
        path, inner = _merged(name, child)
        if isinstance(inner, TensorInfo):
            yield _row_of_tensor(path, inner, level)
        else:
            yield _row_of_module(path, inner, level)
            yield from _rows(inner, level + 1)


def _merged(name: str, node: Node) -> tuple[str, Node | TensorInfo]:
    """Return a chain of modules that hold one thing each as one."""
    inner: Node | TensorInfo = node
    while isinstance(inner, Node) and len(inner.children) == 1:
        ((part, inner),) = inner.children.items()
        name = f"{name}.{part}"
    return name, inner


def _row_of_module(name: str, node: Node, level: int) -> Row:
    size = numbers.size(node.bytes) if node.bytes or not node.elements else ""
    return (f"{_INDENT * level}{visible(name, 120)}", "", "", *_figures(numbers.parameters(node.elements), size))


def _row_of_tensor(name: str, info: TensorInfo, level: int) -> Row:
    elements = prod(info.shape)
    size = size_bytes(info.dtype, elements)
    shape = f"[{', '.join(map(str, info.shape))}]"
    figures = _figures(numbers.parameters(elements), numbers.size(size) if size or not elements else "")
    note = (Cell(f"= {visible(info.tied_to, 60)}", "quiet"),) if info.tied_to else figures
    return (f"{_INDENT * level}{visible(name, 120)}", Cell(visible(info.dtype, _DTYPE), "quiet"), shape, *note)


def _figures(elements: str, size: str) -> tuple[Cell, Cell]:
    return Cell(elements, right=True), Cell(size, "quiet", right=True)
