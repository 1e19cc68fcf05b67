"""torch.profiler for times and the trace, torch's dispatcher for floating-point operations and bytes."""

from __future__ import annotations

import collections
import re
from typing import Any, Dict, List, Tuple

from . import Profiler, peaks, torch_of

FAMILIES = {
    "convolution": "conv1d conv2d conv3d convolution _convolution mkldnn_convolution cudnn_convolution thnn_conv2d "
    "_slow_conv2d_forward slow_conv3d_forward _conv_depthwise2d conv_depthwise3d miopen_convolution "
    "conv_transpose2d cudnn_convolution_transpose cudnn_convolution_relu cudnn_convolution_add_relu",
    "linear": "linear addmm mkldnn_linear _addmm_activation",
    "batch_norm": "batch_norm _batch_norm_impl_index native_batch_norm cudnn_batch_norm miopen_batch_norm "
    "_native_batch_norm_legit_no_training _batch_norm_no_update",
    "layer_norm": "layer_norm native_layer_norm",
    "attention": "scaled_dot_product_attention _scaled_dot_product_attention_math _scaled_dot_product_flash_attention "
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention "
    "_scaled_dot_product_cudnn_attention _flash_attention_forward _efficient_attention_forward",
    "relu": "relu relu_ clamp_min clamp_min_",
    "max_pool": "max_pool1d max_pool2d max_pool2d_with_indices mkldnn_max_pool2d",
    "avg_pool": "adaptive_avg_pool2d _adaptive_avg_pool2d mkldnn_adaptive_avg_pool2d avg_pool2d",
    "softmax": "softmax _softmax",
}
"""One operation goes by several names on its way from Python to the kernel; its time and its work belong together."""
_DRIVER = re.compile(r"(cuda|hip|cu)[A-Z]|Activity Buffer|Lazy Function|Runtime Triggered")
"""Calls of the GPU's driver and the profiler's own business, which the profiler lists among the operators."""
_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names.split()}


def family(name: str) -> str:
    """Return the operation of ``aten::conv2d``, ``aten.convolution.default`` …"""
    bare = name.replace("aten::", "").replace("aten.", "").partition(".")[0]
    return _FAMILY_OF.get(bare, bare)


class TorchProfiler(Profiler):
    """Works for every runtime that ends in torch's dispatcher, adapters included."""

    def after(self) -> Dict[str, Any]:
        """Profile several calls without and one with a trace, then count work, then measure what the device can do."""
        torch = torch_of(self.session)
        self.call()
        activities = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available() and self.session.runtime.request.device != "cpu":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities, record_shapes=True) as traced:
            self.call()
        traced.export_chrome_trace(self.trace)
        with torch.profiler.profile(activities=activities, record_shapes=True) as profiled:
            durations = self.calls(self.call)
        rows = _rows(profiled.key_averages(group_by_input_shape=True), len(durations), len(activities) > 1)
        flops = self._counted("flops", lambda: _flops(torch, self.call))
        traffic = self._counted("bytes", lambda: _traffic(torch, self.call))
        for row in rows:
            row["flops"] = flops.get(row["name"]) if flops else None
            row["bytes"] = traffic.get(row["name"]) if traffic else None
        return {
            "tool": "torch.profiler of torch %s" % torch.__version__,
            "durations_ns": durations,
            "operators": rows,
            "flops": sum(flops.values()) if flops else None,
            "bytes": sum(traffic.values()) if traffic else None,
            "peaks": peaks.of_torch(torch, self.session.runtime),
        }

    def _counted(self, what: str, count: Any) -> Dict[str, int]:
        try:
            found: Dict[str, int] = count()
        except Exception as error:  # custom kernels and old versions of torch refuse in their own ways
            self.reasons[what] = "could not be counted: %s: %s" % (type(error).__name__, str(error)[:160])
            return {}
        if not found:
            self.reasons[what] = "no operator that can be counted"
        return found


def _rows(averages: Any, calls: int, on_gpu: bool) -> List[Dict[str, Any]]:
    """Return one row per operation, per call of the model. On a GPU the time is that of its kernels."""
    times: Dict[str, float] = collections.defaultdict(float)
    device: Dict[str, float] = collections.defaultdict(float)
    shapes: Dict[str, Tuple[float, str]] = {}
    for event in averages:
        own_us = float(event.self_cpu_time_total)
        if _DRIVER.match(event.key) or (not event.key.startswith("aten::") and own_us <= 0):
            continue  # a kernel's own time is booked on the operator that launched it
        name = family(event.key)
        kernel_us = float(getattr(event, "self_device_time_total", getattr(event, "self_cuda_time_total", 0)) or 0)
        times[name] += own_us
        device[name] += kernel_us
        if own_us > shapes.get(name, (-1.0, ""))[0]:
            shapes[name] = (own_us, str(getattr(event, "input_shapes", ""))[:200])
    calls_of = _calls(averages)
    rows = []
    for name in times:
        own = device[name] if on_gpu else times[name]
        rows.append(
            {
                "name": name,
                "calls": round(calls_of[name] / calls, 2),
                "self_ns": int(1000 * own / calls),
                "host_ns": int(1000 * times[name] / calls),
                "shapes": shapes[name][1],
                "provider": "cuda" if on_gpu and device[name] else "cpu",
            }
        )
    return rows


def _calls(averages: Any) -> Dict[str, int]:
    """Return how often an operation ran: as often as the most frequent of its names."""
    by_name: Dict[str, int] = collections.defaultdict(int)
    for event in averages:
        by_name[event.key] += event.count
    largest: Dict[str, int] = {}
    for key, count in by_name.items():
        largest[family(key)] = max(largest.get(family(key), 0), count)
    return largest


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Return the work of two products per head: queries with keys, weights with values."""
    batch, heads, length, width = query
    return int(2 * batch * heads * length * key[-2] * (width + value[-1]))


def _flops(torch: Any, call: Any) -> Dict[str, int]:
    from torch.utils.flop_counter import FlopCounterMode

    # The CPU's fused attention is the one that torch itself does not count.
    attention = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    with FlopCounterMode(display=False, custom_mapping={attention: _attention_flops} if attention else {}) as counter:
        call()
    found: Dict[str, int] = {}
    for operator, flops in counter.get_flop_counts().get("Global", {}).items():
        found[family(str(operator))] = found.get(family(str(operator)), 0) + int(flops)
    return found


def _traffic(torch: Any, call: Any) -> Dict[str, int]:
    """Return the bytes that each operation reads and writes, as if nothing stayed in a cache between two of them."""
    from torch.utils._python_dispatch import TorchDispatchMode

    found: Dict[str, int] = {}

    def size(value: Any) -> int:
        if isinstance(value, torch.Tensor):
            return int(value.numel() * value.element_size())
        return sum(size(item) for item in value) if isinstance(value, (list, tuple)) else 0

    class Traffic(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            with self:
                parts = func.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
            result = func(*args, **named)
            name = str(func)
            if not name.startswith("aten.empty") and not _is_view(func):
                total = size(args) + size(list(named.values())) + size(result)
                found[family(name)] = found.get(family(name), 0) + total
            return result

    with Traffic():
        call()
    return found


def _is_view(func: Any) -> bool:
    return any(a.alias_info is not None and not a.alias_info.is_write for a in func._schema.arguments)  # noqa: SLF001 - as torch itself does
