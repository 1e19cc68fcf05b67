"""ONNX Runtime's own profile: which node took how long on which execution provider."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Dict, List, Optional, Set

from ..arrays import count
from . import Profiler, peaks

_KERNEL = "_kernel_time"
_UNCOUNTED = ("LSTM", "GRU", "RNN", "Attention", "MultiHeadAttention", "GroupQueryAttention", "Einsum")
_PRODUCTS = ("MatMul", "FusedMatMul", "MatMulInteger", "DynamicQuantizeMatMul", "QLinearMatMul")
_MOST_NODES = 40


class OnnxRuntimeProfiler(Profiler):
    """The library profiles a whole session, so it has to be told before the session is opened."""

    def before(self) -> None:
        """Ask the runtime for a profiled session."""
        self.session.runtime.profile_prefix = self.trace + "."  # type: ignore[attr-defined]

    def after(self) -> Dict[str, Any]:
        """Return the nodes' times; the first call is left out, because it allocates."""
        runtime: Any = self.session.runtime
        self.call()
        durations = self.calls(self.call)
        written = str(runtime.session.end_profiling())
        events = _events(written)
        runs = sum(event.get("name") == "model_run" for event in events)
        nodes = [event for event in events if str(event.get("name", "")).endswith(_KERNEL)]
        kept = with_own_time(_after_first(events, nodes))
        calls = max(1, runs - 1)
        rows = _rows(kept, calls)
        if any(str(row["name"]) in _UNCOUNTED for row in rows):
            self.reasons["flops"] = "only convolutions and matrix products are counted; this model has others"
        if os.path.isfile(written):
            shutil.move(written, self.trace)
        flops = sum(row["flops"] for row in rows if row["flops"])
        return {
            "tool": "profile of onnxruntime %s" % runtime.ort.__version__,
            "durations_ns": durations,
            "operators": rows,
            "flops": flops or None,
            "bytes": sum(row["bytes"] or 0 for row in rows) or None,
            "nodes": _node_rows(kept, calls),
            "providers": _providers(kept),
            **fallbacks(kept, calls, runtime.kind),
            "peaks": peaks.of_numpy(runtime.numpy, runtime),
        }


def _events(path: str) -> List[Dict[str, Any]]:
    with open(path, encoding="utf-8", errors="replace") as file:
        found = json.load(file)
    return [event for event in found if isinstance(event, dict) and event.get("ph") == "X"]


def _after_first(events: List[Dict[str, Any]], nodes: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return the nodes of all runs but the first."""
    ends = sorted(event["ts"] + event["dur"] for event in events if event.get("name") == "model_run")
    return [node for node in nodes if len(ends) < 2 or node["ts"] >= ends[0]]


def with_own_time(nodes: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return the nodes with their own time: If, Loop and Scan hold the nodes of their branches."""
    own: List[Dict[str, Any]] = []
    open_nodes: Dict[Any, List[Dict[str, Any]]] = {}
    for node in sorted(nodes, key=lambda node: (node["ts"], -node["dur"])):
        around = open_nodes.setdefault(node.get("tid"), [])
        while around and around[-1]["ts"] + around[-1]["whole"] <= node["ts"]:
            around.pop()
        if around:
            around[-1]["dur"] = max(0, around[-1]["dur"] - node["dur"])
        entry = dict(node, whole=node["dur"])
        around.append(entry)
        own.append(entry)
    return own


def _rows(nodes: List[Dict[str, Any]], calls: int) -> List[Dict[str, Any]]:
    """Return one row per kind of operator and provider, per call of the model."""
    groups: Dict[Any, List[Dict[str, Any]]] = {}
    for node in nodes:
        details = node.get("args") or {}
        groups.setdefault((str(details.get("op_name", "")), str(details.get("provider", ""))), []).append(node)
    rows = []
    for (name, provider), members in groups.items():
        flops = [flops_of(member.get("args") or {}) for member in members]
        known = [value for value in flops if value is not None]
        largest = max(members, key=lambda node: node["dur"])
        rows.append(
            {
                "name": name,
                "calls": round(len(members) / calls, 2),
                "self_ns": int(1000 * sum(node["dur"] for node in members) / calls),
                "host_ns": int(1000 * sum(node["dur"] for node in members) / calls),
                "flops": int(sum(known) / calls) if known else None,
                "bytes": int(sum(bytes_of(node.get("args") or {}) for node in members) / calls),
                "shapes": str(_shapes(largest.get("args") or {}, "input"))[:200],
                "provider": provider.replace("ExecutionProvider", ""),
            }
        )
    return rows


def _node_rows(nodes: List[Dict[str, Any]], calls: int) -> List[Dict[str, Any]]:
    """Return the nodes that take longest, per call."""
    groups: Dict[str, List[Dict[str, Any]]] = {}
    for node in nodes:
        groups.setdefault(str(node["name"])[: -len(_KERNEL)], []).append(node)
    rows = []
    for name, members in groups.items():
        details = members[0].get("args") or {}
        rows.append(
            {
                "name": name[:200],
                "operator": str(details.get("op_name", "")),
                "provider": str(details.get("provider", "")).replace("ExecutionProvider", ""),
                "self_ns": int(1000 * sum(node["dur"] for node in members) / calls),
            }
        )
    return sorted(rows, key=lambda row: -int(str(row["self_ns"])))[:_MOST_NODES]


def fallbacks(nodes: List[Dict[str, Any]], calls: int, kind: str) -> Dict[str, Any]:
    """Return the nodes that the CPU ran in a session for another device; nothing for a session on the CPU."""
    if kind == "cpu":
        return {}
    on_cpu = [node for node in nodes if (node.get("args") or {}).get("provider") == "CPUExecutionProvider"]
    return {
        "fallbacks": _node_rows(on_cpu, calls),
        "fallbacks_n": len({str(node["name"]) for node in on_cpu}),
        "fallbacks_ns": int(1000 * sum(node["dur"] for node in on_cpu) / calls),
    }


def _providers(nodes: List[Dict[str, Any]]) -> Dict[str, int]:
    """Return how many nodes each provider ran."""
    found: Dict[str, Set[str]] = {}
    for node in nodes:
        provider = str((node.get("args") or {}).get("provider", "")).replace("ExecutionProvider", "")
        found.setdefault(provider, set()).add(str(node["name"]))
    return {provider: len(names) for provider, names in found.items()}


def _shapes(details: Dict[str, Any], side: str) -> List[List[int]]:
    entries = details.get(side + "_type_shape") or []
    return [list(shape) for entry in entries if isinstance(entry, dict) for shape in entry.values()]


def bytes_of(details: Dict[str, Any]) -> int:
    """Return the bytes that a node reads and writes."""
    total = 0
    for key in ("activation_size", "parameter_size", "output_size"):
        text = str(details.get(key, "0"))
        total += int(text) if text.isdigit() else 0
    inputs, outputs = _shapes(details, "input"), _shapes(details, "output")
    if str(details.get("op_name", "")) == "MatMul" and len(inputs) == 1 and inputs[0] and outputs and outputs[0]:
        total += 4 * inputs[0][-1] * outputs[0][-1]  # weights that were packed when the session opened are not listed
    return total


def flops_of(details: Dict[str, Any]) -> Optional[int]:
    """Return the floating-point operations of a convolution or a matrix product, from its shapes; else None."""
    name = str(details.get("op_name", ""))
    inputs, outputs = _shapes(details, "input"), _shapes(details, "output")
    if not inputs or not outputs:
        return None
    if name in ("Gemm", "FusedGemm") and len(outputs[0]) == 2:
        return 2 * count(inputs[0]) * outputs[0][1]
    if name in _PRODUCTS:
        return 2 * count(outputs[0]) * (inputs[0][-1] if inputs[0] else 1)
    if len(inputs) < 2:
        return None
    if name in ("Conv", "FusedConv", "NhwcFusedConv"):
        return 2 * count(outputs[0]) * count(inputs[1][1:])
    if name == "ConvTranspose":
        return 2 * count(inputs[0]) * count(inputs[1][1:])
    return None
