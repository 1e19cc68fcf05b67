"""Clients of served models, with nothing but the standard library: one connection, one request at a time.

Three ways to ask by the Open Inference Protocol v2 (HTTP with JSON, HTTP with binary tensors, gRPC through grpcio), and
the completions of OpenAI-compatible servers. Every client keeps its last request and response, without credentials.
"""

from __future__ import annotations

import http.client
import json
import ssl
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from .. import arrays, wire
from ..arrays import Array
from ..failures import Failure
from ..protocol import TensorRecord

TIMEOUT_S = 60.0
LARGEST_BYTES = 256 << 20
TYPES = {
    "BOOL": "bool",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
"""The protocol's name for an element type -> numpy's."""
_NAMES = {value: key for key, value in TYPES.items()}


class Http:
    """One kept-alive connection to the server of a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failure("unsupported", "%s is no http or https address" % url, "context")
        self.base = parts.path.rstrip("/")
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)

    def ask(
        self, method: str, path: str, body: Optional[bytes] = None, headers: Optional[Dict[str, str]] = None
    ) -> Tuple[int, Dict[str, str], bytes]:
        """Return (status, headers in lower case, body); a server that closed the idle connection is asked once more."""
        sent = dict(headers or {})
        for attempt in (0, 1):
            try:
                self._connection.request(method, self.base + path, body=body, headers=sent)
                answer = self._connection.getresponse()
                data = answer.read(LARGEST_BYTES + 1)
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                self._connection.close()
                if attempt:
                    raise Failure("infer_failed", "the server closed the connection: %s" % error) from error
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise Failure("infer_failed", "no answer from the server: %s" % error) from error
        if len(data) > LARGEST_BYTES:
            raise Failure("infer_failed", "an answer of more than 256 MiB")
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data

    def document(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON answer to a JSON question; a failure for any status but 200."""
        data = None if body is None else json.dumps(body).encode("utf-8")
        status, _, answer = self.ask(method, path, data, {"Content-Type": "application/json"} if data else {})
        if status != 200:
            raise Failure("infer_failed", "HTTP %d: %s" % (status, answer[:300].decode("utf-8", "replace")))
        return parsed(answer)


def parsed(data: bytes) -> Any:
    """Return a JSON document of the server."""
    try:
        return json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise Failure("bad_output", "the server's answer is not JSON") from error


class Client:
    """What the runtime asks of a client. ``exchange`` is the last request and response, as they may be shown."""

    protocol = ""
    exchange: Dict[str, Any] = {}

    def models(self) -> List[str]:
        """Return the names of the served models, as far as the server tells."""
        return []

    def signature(self, model: str) -> Tuple[List[TensorRecord], List[TensorRecord], Dict[str, Any]]:
        """Return inputs, outputs and facts about the server."""
        raise NotImplementedError

    def infer(self, model: str, inputs: Any) -> Any:
        """Return the answer to one request."""
        raise NotImplementedError


class OpenInference(Client):
    """HTTP with tensors as JSON numbers."""

    protocol = "oip-http-json"

    def __init__(self, http_: Http) -> None:
        self.http = http_

    def signature(self, model: str) -> Tuple[List[TensorRecord], List[TensorRecord], Dict[str, Any]]:
        """Read the model's metadata."""
        document = self.http.document("GET", "/v2/models/%s" % model)
        server = self.http.document("GET", "/v2")
        facts = {"platform": document.get("platform"), "versions": document.get("versions"), "server": server}
        return fields_of(document.get("inputs")), fields_of(document.get("outputs")), facts

    def infer(self, model: str, inputs: Dict[str, Array]) -> Dict[str, Array]:
        """Send the tensors and read the answer."""
        body = {"inputs": [_as_json(name, array) for name, array in inputs.items()]}
        answer = self.http.document("POST", "/v2/models/%s/infer" % model, body)
        self.exchange = {"request": body, "response": answer}
        return {str(output.get("name")): _of_json(output) for output in answer.get("outputs") or []}


class OpenInferenceBinary(OpenInference):
    """HTTP with tensors as raw bytes behind the JSON header (the binary tensor data extension)."""

    protocol = "oip-http-binary"

    def infer(self, model: str, inputs: Dict[str, Array]) -> Dict[str, Array]:
        """Send the tensors and read the answer."""
        told = [
            dict(_header(name, array), parameters={"binary_data_size": len(bytes(array.data))})
            for name, array in inputs.items()
        ]
        head = json.dumps({"inputs": told, "parameters": {"binary_data_output": True}}).encode("utf-8")
        headers = {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(head)),
        }
        body = head + b"".join(bytes(array.data) for array in inputs.values())
        status, got, data = self.http.ask("POST", "/v2/models/%s/infer" % model, body, headers)
        if status != 200:
            raise Failure("infer_failed", "HTTP %d: %s" % (status, data[:300].decode("utf-8", "replace")))
        size = int(got.get("inference-header-content-length") or len(data))
        answer = parsed(data[:size])
        self.exchange = {"request": {"inputs": told, "binary_bytes": len(body) - len(head)}, "response": answer}
        return dict(_of_binary(answer, data[size:]))


def _of_binary(answer: Dict[str, Any], data: bytes) -> List[Tuple[str, Array]]:
    found, position = [], 0
    for output in answer.get("outputs") or []:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is None:
            found.append((str(output.get("name")), _of_json(output)))
            continue
        found.append((str(output.get("name")), _checked(output, data[position : position + int(size)])))
        position += int(size)
    return found


class OpenInferenceGrpc(Client):
    """gRPC with raw tensor contents. The messages are put together by hand, so that no generated code is needed."""

    protocol = "oip-grpc"
    _SERVICE = "/inference.GRPCInferenceService/"

    def __init__(self, address: str) -> None:
        try:
            import grpc
        except ImportError as error:
            raise Failure("missing_module", "grpcio", "import") from error
        self.grpc = grpc
        limit = [("grpc.max_receive_message_length", LARGEST_BYTES), ("grpc.max_send_message_length", LARGEST_BYTES)]
        self.channel = grpc.insecure_channel(address, options=limit)

    def _call(self, method: str, request: bytes) -> Dict[int, List[Any]]:
        call = self.channel.unary_unary(self._SERVICE + method, bytes, bytes)
        try:
            return wire.decode(call(request, timeout=TIMEOUT_S))
        except self.grpc.RpcError as error:
            code = getattr(error, "code", lambda: None)()
            detail = getattr(error, "details", lambda: "")()
            raise Failure("infer_failed", "gRPC %s: %s" % (getattr(code, "name", code), str(detail)[:300])) from error

    def signature(self, model: str) -> Tuple[List[TensorRecord], List[TensorRecord], Dict[str, Any]]:
        """Read the model's metadata."""
        answer = self._call("ModelMetadata", wire.encode([(1, model)]))
        server = self._call("ServerMetadata", b"")
        facts = {
            "platform": _text(answer.get(3)),
            "server": {"name": _text(server.get(1)), "version": _text(server.get(2))},
        }
        return _described(answer.get(4)), _described(answer.get(5)), facts

    def infer(self, model: str, inputs: Dict[str, Array]) -> Dict[str, Array]:
        """Send the tensors and read the answer."""
        fields: List[Tuple[int, Any]] = [(1, model)]
        for name, array in inputs.items():
            fields.append((5, [(1, name), (2, _NAMES[array.dtype]), (3, wire.packed(array.shape))]))
        fields += [(7, bytes(array.data)) for array in inputs.values()]
        answer = self._call("ModelInfer", wire.encode(fields))
        raw = answer.get(6) or []
        found: Dict[str, Array] = {}
        for place, data in enumerate(answer.get(5) or []):
            message = wire.decode(data)
            shape = wire.integers(message.get(3) or [])
            told: Dict[str, Any] = {"name": _text(message.get(1)), "datatype": _text(message.get(2)), "shape": shape}
            content = raw[place] if place < len(raw) else _contents(message.get(5), told["datatype"])
            found[str(told["name"])] = _checked(told, content)
        sizes = [_header(name, array) for name, array in inputs.items()]
        self.exchange = {
            "request": {"model_name": model, "inputs": sizes},
            "response": {"model_name": _text(answer.get(1)), "outputs": [_header(*pair) for pair in found.items()]},
        }
        return found


_CONTENTS = {"BOOL": (1, ""), "INT32": (2, ""), "INT64": (3, ""), "UINT32": (4, ""), "UINT64": (5, ""),
             "FP32": (6, "f"), "FP64": (7, "d")}  # fmt: skip


def _contents(values: Optional[List[Any]], kind: str) -> bytes:
    """Return the bytes of a tensor that came as InferTensorContents."""
    number, code = _CONTENTS.get(kind, (0, ""))
    found = wire.decode(values[0]) if values else {}
    if code:
        return b"".join(found.get(number) or [])
    numbers = wire.integers(found.get(number) or [])
    dtype = TYPES.get(kind, "int64")
    return struct.pack("<%d%s" % (len(numbers), arrays.DTYPES[dtype][1]), *numbers)


def _text(values: Optional[List[Any]]) -> str:
    return bytes(values[0]).decode("utf-8", "replace") if values else ""


def _described(values: Optional[List[Any]]) -> List[TensorRecord]:
    found = []
    for data in values or []:
        message = wire.decode(data)
        shape = wire.integers(message.get(3) or [])
        found.append({"name": _text(message.get(1)), "datatype": _text(message.get(2)), "shape": shape})
    return fields_of(found)


def fields_of(listed: Any) -> List[TensorRecord]:
    """Return the server's own description of tensors; -1 is an open dimension."""
    found = []
    for item in listed or []:
        name = str(item.get("name"))
        shape = [size if isinstance(size, int) and size > 0 else "%s_dim%d" % (name, place)
                 for place, size in enumerate(item.get("shape") or [])]  # fmt: skip
        dtype = TYPES.get(str(item.get("datatype")), str(item.get("datatype")).lower())
        found.append(TensorRecord(name, dtype, list(shape), "declared", "the server's metadata"))
    return found


def _header(name: str, array: Array) -> Dict[str, Any]:
    return {
        "name": name,
        "datatype": _NAMES.get(array.dtype, array.dtype),
        "shape": [int(size) for size in array.shape],
    }


def _as_json(name: str, array: Array) -> Dict[str, Any]:
    return dict(_header(name, array), data=list(array.values()))


def _of_json(output: Dict[str, Any]) -> Array:
    dtype = TYPES.get(str(output.get("datatype")))
    if dtype is None:
        raise Failure("bad_output", "an output of type %s" % output.get("datatype"))
    flat: List[Any] = []
    _flatten(output.get("data"), flat)
    try:
        data = struct.pack("<%d%s" % (len(flat), arrays.DTYPES[dtype][1]), *flat)
    except struct.error as error:
        raise Failure("bad_output", "the data of output %s: %s" % (output.get("name"), error)) from error
    return _checked(output, data)


def _flatten(value: Any, into: List[Any]) -> None:
    if isinstance(value, list):
        for item in value:
            _flatten(item, into)
    else:
        into.append(value)


def _checked(output: Dict[str, Any], data: bytes) -> Array:
    shape = tuple(int(size) for size in output.get("shape") or [])
    dtype = TYPES.get(str(output.get("datatype")))
    if dtype is None or arrays.count(shape) * arrays.itemsize(dtype) != len(data):
        text = "output %s: %d bytes are not %s%s"
        raise Failure("bad_output", text % (output.get("name"), len(data), output.get("datatype"), list(shape)))
    return Array(dtype, shape, data)


class OpenAi(Client):
    """Completions of an OpenAI-compatible server: text in, text out."""

    protocol = "openai"

    def __init__(self, http_: Http, settings: Dict[str, Any]) -> None:
        self.http, self.settings = http_, settings
        # A base address may or may not end in /v1.
        self.prefix = "" if http_.base.endswith("/v1") else "/v1"

    def models(self) -> List[str]:
        """Return the listed models."""
        listed = self.http.document("GET", self.prefix + "/models")
        return [str(entry.get("id")) for entry in listed.get("data") or []]

    def signature(self, model: str) -> Tuple[List[TensorRecord], List[TensorRecord], Dict[str, Any]]:
        """Text has no shape."""
        return [], [], {"route": self.settings.get("route", "completions")}

    def infer(self, model: str, inputs: Sequence[str]) -> Dict[str, Any]:
        """Ask for one completion of the first line, greedily."""
        body: Dict[str, Any] = {
            "model": model,
            "max_tokens": int(self.settings.get("max_tokens", 16)),
            "temperature": 0,
        }
        body["seed"] = int(self.settings.get("seed", 0))
        if self.settings.get("route") == "chat":
            body["messages"] = [{"role": "user", "content": inputs[0]}]
            answer = self.http.document("POST", self.prefix + "/chat/completions", body)
        else:
            body["prompt"] = inputs[0]
            answer = self.http.document("POST", self.prefix + "/completions", body)
        self.exchange = {"request": body, "response": answer}
        return dict(answer)
