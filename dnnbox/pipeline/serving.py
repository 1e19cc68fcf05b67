"""``dnnbox run --endpoint URL``: a model that somebody else serves, measured from this side by the same protocol.

There is no checkpoint and no environment of the model: our own client runs as a plain process, because it has to reach
the server, and runs no foreign code. What happens inside the server is not seen: no memory, no profile, no load time.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from dnnbox import boxes, catalog, devices, environments, inputs
from dnnbox.boxes.base import Box
from dnnbox.errors import DnnboxError, NetworkFailed, Usage
from dnnbox.events import Progress
from dnnbox.experiment import Experiment, default_root
from dnnbox.harness.protocol import InputFile, RunRequest
from dnnbox.pipeline import asked, further, planning
from dnnbox.pipeline.jobs import Execution, Jobs, limits_of
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.environment import EnvSpec, Mount, Workspace
from dnnbox.records.experiment import Decision
from dnnbox.records.inspection import Inspection
from dnnbox.records.options import RunOptions
from dnnbox.records.plan import InputChoice, Plan
from dnnbox.records.source import SourceTree
from dnnbox.store import Store
from dnnbox.text import redact, visible

RUNTIME = "endpoint"
_CONNECT_S = 5.0
_SCHEMES = {"http": 80, "https": 443, "grpc": 8001}
_FORM = "for example http://localhost:8080, grpc://localhost:8081#NAME or http://localhost:8000/v1"


def prepared_endpoint(options: RunOptions, progress: Progress, store: Store) -> Prepared:
    """Return what can be known before the first request.

    Raises:
        Usage: no address, or options that need a checkpoint.
        NetworkFailed: nobody answers there.
    """
    parts = urlsplit(options.endpoint)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise Usage(f"--endpoint `{visible(redact(options.endpoint), 80)}` is no address", hint=_FORM, phase="inspect")
    if parts.username or parts.password:
        raise Usage("--endpoint holds credentials, which would be kept in the experiment", phase="inspect")
    _refuse_others(options)
    start = time.monotonic()
    _reach(str(parts.hostname), parts.port or _SCHEMES[parts.scheme])
    name = f"{parts.hostname}-{parts.port or _SCHEMES[parts.scheme]}"
    wanted = asked.read(options)
    spec = catalog.runtime(RUNTIME)
    needs = spec.required_for(parts.scheme)
    derived = Dependencies(RUNTIME, needs, spec.python, {"url": options.endpoint, "inputs": [], "task": options.task})
    derived = asked.with_stated(derived, wanted)
    inspection = Inspection(
        path=name, kind="file", format="endpoint", framework=parts.scheme, size_bytes=0, verdict="no-code"
    )
    given = options.inputs
    choices = inputs.choose(inspection, inspection.io_hints, given=given, workspace=options.workspace) if given else ()
    workspace = Workspace(str(options.workspace))
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    made, lock = EnvSpec(RUNTIME, (), python, ""), None
    if needs:
        made = environments.plan(derived, environments.detect(options.workspace), box="venv", device="cpu")
        lock = environments.resolve(made, store, offline=options.offline, progress=progress)
    progress.end("inspect", f"{parts.scheme} endpoint {name}", time.monotonic() - start)
    none = InputChoice("synthesised", "tensor", reason="made from what the server says of its inputs")
    found = Prepared(
        options, Path(name), inspection, SourceTree("none"), derived, workspace, "venv" if needs else "current",
        "the client has to reach the server", "", devices.Device("cpu", "cpu", "the client's"), made, lock,
        choices or (none,), (), Plan(), {}, wanted,
    )  # fmt: skip
    place = options.out or default_root(options.workspace, name).relative_to(options.workspace)
    plan = Plan(
        title=f"endpoint {name}",
        runtime=RUNTIME,
        box=found.box,
        device="cpu",
        precision="as served",
        writes_to=str(place),
        network=(f"{parts.scheme}: {name}, the requests",),
    )
    return replace(found, plan=plan)


def _refuse_others(options: RunOptions) -> None:
    odd = {
        "--adapter": options.adapter, "--source": options.source, "--dataset": options.dataset,
        "--metrics": options.metrics, "--train-check": options.train_check, "--reference": options.reference,
    }  # fmt: skip
    used = [name for name, value in odd.items() if value]
    if used or options.checkpoint:
        what = "a checkpoint" if options.checkpoint else used[0]
        raise Usage(f"--endpoint asks a served model, so {what} has no meaning", hint="leave it out", phase="inspect")


def _reach(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError as error:
        raise NetworkFailed(
            f"nobody answers at {visible(host, 80)}:{port}: {error.strerror or error}",
            hint="start the server, or mend the address",
            phase="inspect",
        ) from error


class Requests(Jobs):
    """What can be measured from outside: the first answer, then warm requests in fresh client processes."""

    def _request(self) -> RunRequest:
        options = self.prepared.options
        return RunRequest(
            job="infer",
            runtime=RUNTIME,
            checkpoint="",
            batch_size=options.batches[0],
            seed=options.seed,
            options=dict(self.prepared.dependencies.options),
            inputs=[
                InputFile(self.box.path(path.resolve()), choice.kind, choice.name)
                for choice, path in self.execution.files
            ],
            plan=self.plan,
        )

    def run(self) -> None:
        """infer (the gate) → measure per batch."""
        request = self._request()
        self.execution.request = request
        with self.experiment.stage("infer"):
            first = self._job("infer", request, settle=self._verified)
            further.hold_against_stated(self, first)
            self.execution.verified = True
        warm = planning.process_counts(self.prepared.options)[1]
        with self.experiment.stage("measure"):
            for number in range(warm):
                self._job("measure", request, f"process {number + 1} of {warm}")
            for batch in self.prepared.options.batches[1:]:
                self._batch(replace(request, batch_size=batch))
        self.execution.profile_reason = "a served model is not seen from inside"
        self.execution.reasons["sizes"] = "not tried on a served model"


def execute_endpoint(
    experiment: Experiment, prepared: Prepared, store: Store, progress: Progress, execution: Execution
) -> None:
    """Ask the server; raises the DnnboxError of the first stage that fails."""
    execution.lock = prepared.lock
    with experiment.stage("inputs"):
        if prepared.options.inputs:
            execution.files.extend(inputs.materialise(prepared.inputs, experiment.inputs))
    try:
        with _open(experiment, prepared, store, progress) as box:
            execution.sandbox = box.sandbox
            Requests(experiment, prepared, box, progress, execution).run()
    except DnnboxError as error:
        progress.fail(error.phase or "infer", error.name)
        raise


def _open(experiment: Experiment, prepared: Prepared, store: Store, progress: Progress) -> AbstractContextManager[Box]:
    python = Path(sys.executable)
    if prepared.lock is not None:
        log = experiment.logs / "environment.log"
        python = environments.realise(
            prepared.spec, prepared.lock, store, offline=prepared.options.offline, progress=progress, log=log
        )
    # The run asks for its checkpoint's place: an empty one stands for what is not here.
    place = experiment.inputs.resolve()
    mounts = (Mount(str(place), "/dnnbox/inputs"),)
    return boxes.open_venv(python, mounts, limits_of(prepared), sandbox="none", kind=prepared.box)


def decision_of(prepared: Prepared) -> Decision:
    """Whoever gives an address asks for the requests."""
    return Decision("Send requests to this address?", ("yes",), "yes", "flag", {"endpoint": prepared.path.name})
