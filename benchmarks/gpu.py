"""One run on a machine with a GPU: the CUDA tests and speed, and what pre-training is worth.

    python -m benchmarks.gpu [--minutes 6] [--out FILE] [--parts tests,speed,compile]
    python -m benchmarks.gpu --parts pretraining       # longer, label efficiency: if asked for
    python -m benchmarks.gpu --device cpu --quick      # a rehearsal, tiny

Each part has a process of its own and a share of the minutes, so that one that fails or hangs costs
the others nothing. A row is printed as soon as it is known; tables in Markdown for
`benchmarks/README.md` come last, and again after every part into `--out`.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

# Shares of the minutes; what a part leaves goes to those after it.
SHARES = {"tests": 3.0, "speed": 2.0, "compile": 1.5, "pretraining": 3.0}
_USUAL = "tests,speed,compile"
_RESERVE = 10  # seconds to stop a part and write the tables


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--out", type=Path, default=None, help="the tables, in Markdown")
    parser.add_argument("--parts", default=_USUAL, help=f"of {', '.join(SHARES)}")
    parser.add_argument("--device", default="cuda", help="cpu is a rehearsal")
    parser.add_argument("--quick", action="store_true", help="as small as it can be")
    parser.add_argument("--jobs", type=int, default=min(12, os.cpu_count() or 1))
    parser.add_argument("--child", nargs=2, metavar=("PART", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        part, folder = arguments.child
        return child(part, Path(folder), arguments)
    parts = arguments.parts.split(",")
    unknown = set(parts) - set(SHARES)
    if unknown:
        parser.error(f"unknown parts {sorted(unknown)}; there are {list(SHARES)}")
    end = time.monotonic() + 60 * arguments.minutes - _RESERVE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Patients are simulated on the CPU meanwhile.
        early = {p: start(p, folder, arguments) for p in parts if p == "pretraining"}
        failed = []
        for part in parts:
            left = end - time.monotonic()
            seconds = left * SHARES[part] / sum(SHARES[p] for p in parts[parts.index(part) :])
            print(f"\n== {part}: at most {seconds:.0f} s", flush=True)
            (folder / f"{part}.go").write_text(str(time.time() + seconds))
            begin = time.monotonic()
            if not finish(early.get(part) or start(part, folder, arguments), seconds):
                failed.append(part)
                print(f"== {part} failed, or was stopped: see above", flush=True)
            print(f"== {part} took {time.monotonic() - begin:.0f} s", flush=True)
            text = report(folder, parts, arguments)
            if arguments.out is not None:
                arguments.out.write_text(text)
        print(f"\n{text}")
    return len(failed)


def start(part: str, folder: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-u", "-m", "benchmarks.gpu", "--child", part, str(folder)]
    command += ["--device", arguments.device, "--jobs", str(arguments.jobs)]
    command += ["--quick"] * arguments.quick
    environment = os.environ | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    return subprocess.Popen(command, env=environment, start_new_session=os.name == "posix")


def finish(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a part, and stop it with all that it started when its time is over."""
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            if os.name == "posix":
                os.killpg(process.pid, 9)
            else:
                process.kill()
            process.wait()


def child(part: str, folder: Path, arguments: argparse.Namespace) -> int:
    rows = Rows(folder / f"{part}.jsonl")
    try:
        return PARTS[part](rows, folder, arguments) or 0
    except BaseException:
        traceback.print_exc()
        return 1


class Rows:
    """Rows of a part's tables, on the screen and in a file as soon as they are known."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **row: object) -> None:
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def report(folder: Path, parts: list[str], arguments: argparse.Namespace) -> str:
    """Write all tables: rows of equal columns stand together."""
    command = "python -m benchmarks.gpu" + " --quick" * arguments.quick
    lines = [f"## GPU\n\n`{command}`, {machine(arguments.device)}."]
    for part in parts:
        path = folder / f"{part}.jsonl"
        columns: list[str] = []
        for line in path.read_text().splitlines() if path.exists() else ():
            row = json.loads(line)
            if list(row) != columns:
                columns = list(row)
                lines.append(f"\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
            lines.append(f"| {' | '.join(str(value) for value in row.values())} |")
    return "\n".join(lines) + "\n"


def machine(device: str) -> str:
    import torch

    name = platform.processor() or platform.machine()
    if device != "cpu":
        name = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
    return f"{name}, {os.cpu_count()} processors, torch {torch.__version__}"


def run_tests(rows: Rows, folder: Path, arguments: argparse.Namespace) -> int:
    """Run the tests marked `cuda`, with nothing of the machine's own pytest in the way."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", str(root / "tests" / "cuda"), "-m", "cuda", "-q"]
    command += ["--tb=short", "-rfE", "--durations=8", "-p", "no:cacheprovider"]
    # Warnings of other versions than ours are no failures; -ra and --strict-config are left out.
    command += ["-o", "addopts=", "-o", "filterwarnings=default", "--import-mode=importlib"]
    command += ["--disable-warnings"]
    if importlib.util.find_spec("pytest_timeout"):
        command += ["-p", "pytest_timeout", "-o", "timeout=120"]
    if arguments.device == "cpu":
        os.environ["SKEDEMA_CUDA_TESTS_ON"] = "cpu"
        command += ["-k", "every_refiner or attention_is"] if arguments.quick else []
    elif importlib.util.find_spec("xdist"):
        command += ["-p", "xdist.plugin", "-n", str(min(6, arguments.jobs))]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    last = ""
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as tests:
        for line in tests.stdout or ():
            print(line, end="", flush=True)
            last = line if re.search(r"\d+ (passed|failed|error)", line) else last
    counts = dict.fromkeys(("passed", "failed", "skipped", "errors"), 0)
    for number, what in re.findall(r"(\d+) (passed|failed|skipped|error)", last):
        counts["errors" if what == "error" else what] = int(number)
    rows.add(tests="marked cuda", **counts)
    return tests.returncode


def run_speed(rows: Rows, folder: Path, arguments: argparse.Namespace) -> int:
    from benchmarks._gpu_speed import measure_all

    return measure_all(rows, arguments.device, arguments.quick)


def run_compile(rows: Rows, folder: Path, arguments: argparse.Namespace) -> int:
    from benchmarks._gpu_speed import measure_compiled

    return measure_compiled(rows, arguments.device, arguments.quick)


def run_pretraining(rows: Rows, folder: Path, arguments: argparse.Namespace) -> int:
    from benchmarks._gpu_pretraining import measure_features

    def wait() -> float:
        """Wait for the GPU, and give the time at which this part has to end."""
        go = folder / "pretraining.go"
        while not go.exists() or not go.read_text():
            time.sleep(0.2)
        return float(go.read_text())

    return measure_features(rows, arguments.device, arguments.quick, arguments.jobs, wait)


PARTS = {
    "tests": run_tests,
    "speed": run_speed,
    "compile": run_compile,
    "pretraining": run_pretraining,
}

if __name__ == "__main__":
    sys.exit(main())
