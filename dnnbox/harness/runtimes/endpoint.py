"""A model behind an address: asked by the Open Inference Protocol v2 or as an OpenAI-compatible server.

It is timed on this side: one request at a time over one kept-alive connection, from the call to the decoded answer, so
network and server are in the figure. ``options``: url (``http://host:8080``, ``grpc://host:8081``; ``#name`` chooses
the model, ``?tensors=binary`` raw bytes, ``?route=chat`` chat completions), protocol, model, max_tokens.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Sequence, Tuple
from urllib.parse import urlsplit

from .. import examples, trees
from ..arrays import Array
from ..failures import Failure
from ..protocol import InputFile, TensorRecord
from .base import Decoded, Runtime, Signature
from .clients import Client, Http, OpenAi, OpenInference, OpenInferenceBinary, OpenInferenceGrpc

SHOWN_VALUES = 16
SHOWN_CHARACTERS = 2000
SECRETS = ("authorization", "api_key", "apikey", "token", "password", "secret", "cookie")


class Endpoint(Runtime):
    """The client of a served model."""

    def import_libraries(self) -> None:
        """gRPC needs a package; HTTP needs none."""
        self.url = str(self.options.get("url") or "")
        self.model = str(self.options.get("model") or urlsplit(self.url).fragment)
        self.declared: Tuple[List[TensorRecord], List[TensorRecord]] = ([], [])
        self.facts: Dict[str, Any] = {}
        self.tried: List[str] = []
        if self.url.startswith("grpc://"):
            import grpc

            self.grpc_version = str(grpc.__version__)

    def open_context(self) -> None:
        """Connect, and find out which protocol is spoken."""
        wanted = str(self.options.get("protocol") or "auto")
        if self.url.startswith("grpc://"):
            self.client: Client = OpenInferenceGrpc(urlsplit(self.url).netloc)
            return
        http = Http(self.url)
        kinds = {"oip": self._open_inference, "openai": self._open_ai}
        order = ["openai", "oip"] if http.base.endswith("/v1") else ["oip", "openai"]
        for name in order if wanted == "auto" else [wanted]:
            found = kinds[name](http)
            if found is not None:
                self.client = found
                return
        raise Failure("unsupported", "the server answers none of %s" % "; ".join(self.tried), "context")

    def _open_inference(self, http: Http) -> Any:
        status, _, body = http.ask("GET", "/v2")
        self.tried.append("GET /v2 (HTTP %d)" % status)
        if status != 200:
            return None
        extensions = json.loads(body.decode("utf-8", "replace") or "{}").get("extensions") or []
        is_binary = "binary_tensor_data" in extensions or "tensors=binary" in urlsplit(self.url).query
        return OpenInferenceBinary(http) if is_binary else OpenInference(http)

    def _open_ai(self, http: Http) -> Any:
        route = "chat" if "route=chat" in urlsplit(self.url).query else "completions"
        client = OpenAi(http, dict(self.options, seed=self.request.seed, route=route))
        status, _, _ = http.ask("GET", client.prefix + "/models")
        self.tried.append("GET %s%s/models (HTTP %d)" % (http.base, client.prefix, status))
        return client if status == 200 else None

    @property
    def is_text(self) -> bool:
        """Whether the model takes text."""
        return isinstance(self.client, OpenAi)

    def load(self) -> None:
        """Choose the model and read what the server says of it."""
        if not self.model:
            self.model = self._only_model()
        inputs, outputs, self.facts = self.client.signature(self.model)
        self.declared = (inputs, outputs)
        self.note("served model %s, asked by %s" % (self.model, self.client.protocol))

    def _only_model(self) -> str:
        names = self.client.models()
        if not names and isinstance(self.client, OpenInference):
            try:
                listed = self.client.http.document("POST", "/v2/repository/index", {})
                names = [str(entry.get("name")) for entry in listed]
            except Failure:
                names = []
        if len(names) == 1 or (names and self.is_text):
            return names[0]
        told = "it serves %s" % ", ".join(names[:8]) if names else "the server lists none"
        raise Failure("unsupported", "which model: %s; add #NAME to the address" % told, "load")

    def signature(self) -> Signature:
        """Return what the server declares."""
        return self.declared

    # Inputs.

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return lines of text for a text model."""
        if not self.is_text:
            return list(files)
        lines: List[Any] = []
        for file in files:
            with open(file.path, encoding="utf-8") as stream:
                lines += [line.strip() for line in stream if line.strip()]
        return lines

    def example_items(self) -> List[Any]:
        """Return a prompt for a text model."""
        return [examples.PROMPT] if self.is_text else []

    def batches(self, items: Sequence[Any]) -> List[List[Any]]:
        """One request at a time."""
        return [[item] for item in items] if self.is_text else super().batches(items)

    def preprocess(self, items: Sequence[Any]) -> Any:
        """Return lines as they are, tensors from their files."""
        return list(items) if self.is_text else self.tensor_inputs(items)

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the declared types."""
        inputs = self.declared[0] or self._hinted()
        if not inputs:
            text = "the server does not say what the model takes: give `--contract FILE` or `--input name=@file.npy`"
            raise Failure("needs_adapter", text, "input")
        shapes = examples.resolve({field.name: field.shape for field in inputs}, batch_size, {})
        seed = self.request.seed
        return {field.name: examples.tensor(field.name, field.dtype, shapes[field.name], seed) for field in inputs}

    def _hinted(self) -> List[TensorRecord]:
        hints = self.options.get("inputs") or []
        return [
            TensorRecord(str(hint["name"]), str(hint["dtype"]), list(hint["shape"]), "stated", str(hint.get("source")))
            for hint in hints
            if hint.get("name") and hint.get("dtype") and hint.get("shape")
        ]

    # One request.

    def infer(self, inputs: Any) -> Any:
        """Ask once and wait for the whole answer."""
        return self.client.infer(self.model, inputs)

    def to_host(self, outputs: Any) -> Any:
        """Return arrays; the text of a completion as its bytes."""
        if not self.is_text:
            return outputs
        data = _completion(outputs).encode("utf-8")
        return {"completion_utf8": Array("uint8", (len(data),), data)}

    # What it means.

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Keep the last request and response, sanitised, and say what came."""
        for name, document in self.client.exchange.items():
            with open(os.path.join(out_dir, "%s.json" % name), "w", encoding="utf-8") as file:
                json.dump(sanitised(document), file, indent=1)
        if not self.is_text:
            return []
        answer = self.client.exchange.get("response") or {}
        usage = answer.get("usage") or {}
        entry: Dict[str, Any] = {"kind": "completion", "prompt": items[0] if items else "", "text": _completion(answer)}
        entry.update({key: usage[key] for key in ("prompt_tokens", "completion_tokens") if key in usage})
        return [entry]

    def effective(self) -> Dict[str, Any]:
        """Return what the server is, as it says itself."""
        return {
            "device": self.request.device,
            "precision": "as served",
            "threads": None,
            "protocol": self.client.protocol,
            "model": self.model,
            "server": trees.plain(self.facts),
            "source": "stated by the server",
        }


def _completion(answer: Dict[str, Any]) -> str:
    choices = answer.get("choices") or [{}]
    message = choices[0].get("message") or {}
    return str(choices[0].get("text") or message.get("content") or "")


def sanitised(value: Any, name: str = "") -> Any:
    """Return a payload for people: no secrets, long lists and texts cut, with what was left out."""
    if any(word in name.lower() for word in SECRETS) and not name.lower().endswith("tokens"):
        return "…"
    if isinstance(value, dict):
        return {str(key): sanitised(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        shown = [sanitised(item) for item in value[:SHOWN_VALUES]]
        return shown + ["… %d more" % (len(value) - SHOWN_VALUES)] if len(value) > SHOWN_VALUES else shown
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return value[:SHOWN_CHARACTERS] + "…"
    return trees.plain(value)
