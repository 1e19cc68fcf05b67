"""process.run: streams, limits, time-outs and what is left behind."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from dnnbox import process


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def gone(pid: int) -> bool:
    """Wait until a killed process has gone: the kernel ends it when its turn comes, which takes a moment under load."""
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_run__success__returns_code_streams_and_times() -> None:
    done = process.run(python("import sys; print('out'); print('err', file=sys.stderr)"), timeout_s=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")
    assert (done.timed_out, done.signal) == (False, None)
    assert 0 < done.wall_s < 20
    assert done.spawned_ns < time.monotonic_ns()


def test_run__exit_code__is_a_value() -> None:
    assert process.run(python("raise SystemExit(7)"), timeout_s=20).returncode == 7


def test_run__died_of_a_signal__says_which() -> None:
    done = process.run(python("import os; os.kill(os.getpid(), 11)"), timeout_s=20)
    assert (done.returncode, done.signal) == (-11, 11)


def test_run__program_missing__raises_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        process.run(["/nonexistent/program"], timeout_s=5)


def test_run__stdin_file__is_read_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "brief").write_text("a brief")
    done = process.run(python("import sys; print(sys.stdin.read())"), timeout_s=20, stdin=tmp_path / "brief")
    assert done.stdout == "a brief\n"


def test_run__stdin__is_closed() -> None:
    done = process.run(python("import sys; print(repr(sys.stdin.read()))"), timeout_s=20)
    assert done.stdout == "''\n"


def test_run__one_megabyte_on_stderr__does_not_hang() -> None:
    done = process.run(python("import sys; sys.stderr.write('x' * (1 << 20)); print('end')"), timeout_s=20)
    assert done.stdout == "end\n"
    assert len(done.stderr) == process.TAIL_BYTES


def test_run__log_files__hold_the_streams(tmp_path: Path) -> None:
    out, err = tmp_path / "out.txt", tmp_path / "err.txt"
    code = "import sys; print('a' * 100000); print('b' * 200000, file=sys.stderr)"
    process.run(python(code), timeout_s=20, stdout=out, stderr=err)
    assert (out.read_text(), err.read_text()) == ("a" * 100000 + "\n", "b" * 200000 + "\n")


def test_run__log_over_the_limit__is_cut_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    done = process.run(python("print('a' * 5000000 + 'end')"), timeout_s=20, stdout=out, log_limit_bytes=1000)
    assert out.read_bytes() == b"a" * 1000 + b"\n[dnnbox: the rest of this log was dropped]\n"
    assert done.stdout.endswith("end\n")


def test_run__bytes_that_are_not_utf8__are_escaped() -> None:
    done = process.run(python(r"import os; os.write(1, b'\xff\xfe')"), timeout_s=20)
    assert done.stdout == "\\xff\\xfe"


def test_run__environment__is_exactly_the_given_one() -> None:
    done = process.run(["/usr/bin/env"], timeout_s=20, env={"ONLY": "this"})
    assert done.stdout == "ONLY=this\n"


def test_run__timeout__ends_a_polite_process_with_sigterm() -> None:
    done = process.run(["/bin/sleep", "60"], timeout_s=0.2)
    assert (done.timed_out, done.signal) == (True, signal.SIGTERM)
    assert done.wall_s < 3


def test_run__timeout__kills_a_process_that_ignores_sigterm() -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    done = process.run(python(code), timeout_s=0.5, grace_s=0.3)
    assert (done.timed_out, done.signal) == (True, signal.SIGKILL)
    assert done.wall_s < 5


def test_run__grandchild_holds_the_pipe__is_killed_with_its_group() -> None:
    code = "import subprocess; print(subprocess.Popen(['/bin/sleep', '60']).pid, flush=True)"
    started = time.monotonic()
    done = process.run(python(code), timeout_s=30)
    assert time.monotonic() - started < 10
    assert gone(int(done.stdout))


def test_run__exception_in_on_start__leaves_no_process() -> None:
    pids: list[int] = []

    def fail(pid: int) -> None:
        pids.append(pid)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        process.run(["/bin/sleep", "60"], timeout_s=30, on_start=fail)
    assert gone(pids[0])


def test_run__ctrl_c__kills_the_group_and_is_raised_again() -> None:
    pids: list[int] = []
    timer = threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))

    def note(pid: int) -> None:
        pids.append(pid)
        timer.start()

    with pytest.raises(KeyboardInterrupt):
        process.run(["/bin/sleep", "60"], timeout_s=30, on_start=note)
    assert gone(pids[0])


def test_run__without_pidfd__ends_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_pidfd", lambda pid: None)
    done = process.run(python("print('out'); raise SystemExit(3)"), timeout_s=20)
    assert (done.returncode, done.stdout) == (3, "out\n")


def test_run__many_times__leaks_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        process.run(["/bin/true"], timeout_s=5)
    with contextlib.suppress(OSError):
        process.run(["/nonexistent"], timeout_s=5)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_run__while_it_waits__uses_no_processor_time() -> None:
    before = time.process_time()
    process.run(["/bin/sleep", "1"], timeout_s=20)
    assert time.process_time() - before < 0.05
