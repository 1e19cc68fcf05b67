"""OpenVINO's own counters: how long each node of the compiled graph took, and by which kernel."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ..arrays import count
from . import Profiler, peaks

_MOST_NODES = 40
_PRODUCTS = ("MatMul", "FullyConnected")


class OpenVinoProfiler(Profiler):
    """The counters have to be asked for when the graph is compiled."""

    def before(self) -> None:
        """Ask the runtime for a graph that counts."""
        self.session.runtime.counts = True  # type: ignore[attr-defined]

    def after(self) -> Dict[str, Any]:
        """Return the nodes' times; the first call is left out, because it allocates."""
        runtime: Any = self.session.runtime
        self.call()
        first = {node.node_name: _us(node.real_time) for node in runtime.call.get_profiling_info()}
        durations = self.calls(self.call)
        nodes = [_Node(node, first, len(durations)) for node in runtime.call.get_profiling_info()]
        work = _work_of(runtime.compiled.get_runtime_model())
        nodes = _that_ran(nodes, work)
        rows = _rows(nodes, work)
        self._write_trace(nodes)
        return {
            "tool": "performance counters of OpenVINO %s" % runtime.openvino.__version__,
            "durations_ns": durations,
            "operators": rows,
            "flops": sum(row["flops"] or 0 for row in rows) or None,
            "bytes": sum(row["bytes"] or 0 for row in rows) or None,
            "nodes": _node_rows(nodes),
            "providers": {"CPU": len(nodes)},
            "peaks": peaks.of_numpy(runtime.numpy, runtime),
        }

    def _write_trace(self, nodes: List["_Node"]) -> None:
        """Write one call, its nodes laid end to end: the counters tell how long, not when. The trace says so, too."""
        name = {"name": "one call, nodes laid end to end (the counters tell no start)"}
        events = [{"ph": "M", "name": "process_name", "pid": 1, "tid": 1, "args": name}]
        at = 0.0
        for node in nodes:
            details = {"kernel": node.kernel, "operator": node.kind}
            event = {"ph": "X", "cat": "node", "pid": 1, "tid": 1, "ts": at, "dur": node.microseconds}
            events.append(dict(event, name=node.name, args=details))
            at += node.microseconds
        with open(self.trace, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)


class _Node:
    """One node, per call. The library tells the mean over all calls so far; the first one is taken out of it."""

    def __init__(self, told: Any, first: Dict[str, float], calls: int) -> None:
        self.name, self.kind, self.kernel = str(told.node_name), str(told.node_type), str(told.exec_type)
        whole = _us(told.real_time) * (calls + 1)
        self.microseconds = max(0.0, (whole - first.get(told.node_name, 0.0)) / calls)


def _that_ran(nodes: List[_Node], work: Dict[str, Dict[str, Any]]) -> List[_Node]:
    """Return the nodes that every call runs: not those of the first call alone, which have no time left.

    The counters tell whole microseconds. Of a small product after a slow first call nothing may be left either.
    """
    return [node for node in nodes if node.microseconds > 0 or work.get(node.name, {}).get("flops")]


def _us(duration: Any) -> float:
    return float(duration.total_seconds() * 1e6)


def _rows(nodes: List[_Node], work: Dict[str, Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return one row per kind of operator, per call of the model."""
    groups: Dict[str, List[_Node]] = {}
    for node in nodes:
        groups.setdefault(node.kind, []).append(node)
    rows = []
    for name, members in groups.items():
        known = [work[node.name] for node in members if node.name in work]
        flops = [entry["flops"] for entry in known if entry["flops"] is not None]
        longest = max(members, key=lambda node: node.microseconds)
        own = int(1000 * sum(node.microseconds for node in members))
        rows.append(
            {
                "name": name,
                "calls": float(len(members)),
                "self_ns": own,
                "host_ns": own,
                "flops": sum(flops) if flops else None,
                "bytes": sum(entry["bytes"] for entry in known) if known else None,
                "shapes": work.get(longest.name, {}).get("shapes", ""),
                "provider": "CPU",
            }
        )
    return rows


def _node_rows(nodes: List[_Node]) -> List[Dict[str, Any]]:
    """Return the nodes that take longest."""
    rows = [
        {
            "name": node.name[:200],
            "operator": "%s, %s" % (node.kind, node.kernel),
            "provider": "CPU",
            "self_ns": int(1000 * node.microseconds),
        }
        for node in nodes
    ]
    return sorted(rows, key=lambda row: -int(str(row["self_ns"])))[:_MOST_NODES]


def _work_of(graph: Any) -> Dict[str, Dict[str, Any]]:
    """Return the operations and the bytes of each node of the graph as it is executed, by name."""
    found: Dict[str, Dict[str, Any]] = {}
    for node in graph.get_ordered_ops():
        ports = list(node.inputs()), list(node.outputs())
        if any(port.get_partial_shape().is_dynamic for side in ports for port in side):
            continue  # its sizes are those of a call, which the graph does not tell
        shapes = [[[int(size) for size in port.get_shape()] for port in side] for side in ports]
        sizes = [port.get_element_type().size * count(port.get_shape()) for side in ports for port in side]
        kind = node.get_rt_info()["layerType"].astype(str) if "layerType" in node.get_rt_info() else ""
        found[str(node.get_friendly_name())] = {
            "flops": flops_of(kind, shapes[0], shapes[1]),
            "bytes": int(sum(sizes)),
            "shapes": str(shapes[0])[:200],
        }
    return found


def flops_of(kind: str, inputs: List[List[int]], outputs: List[List[int]]) -> Optional[int]:
    """Return the floating-point operations of a convolution or a matrix product, from its shapes; else None."""
    if len(inputs) < 2 or not outputs:
        return None
    if kind in _PRODUCTS and inputs[0]:
        return 2 * count(outputs[0]) * inputs[0][-1]
    if kind == "Convolution":
        # A grouped one has weights of one dimension more: groups, outputs and inputs of a group, then the window.
        inner = inputs[1][2:] if len(inputs[1]) > len(inputs[0]) else inputs[1][1:]
        return 2 * count(outputs[0]) * count(inner)
    return None
