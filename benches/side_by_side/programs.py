"""Programs that are measured: each is a command whose standard output holds JSON lines with `seconds`, and `peak_mb` where it is known."""
import json, os, statistics, subprocess, sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMED = os.path.join(HERE, "peers", "timed.py")


@dataclass
class Program:
    """A command under a name. `line` picks one of several JSON lines by its values, `timed` measures a command that prints none."""

    name: str
    command: list
    environment: dict = field(default_factory=dict)
    line: dict = field(default_factory=dict)
    timed: bool = True
    times: int = 1

    def run(self):
        command = self.command
        if self.timed:
            # outside of any virtual environment, whose start-up modules would count as the command's memory
            command = ["/usr/bin/env", "python3", "-I", TIMED, "--times", str(self.times), *command]
        done = subprocess.run(command, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: exit code {done.returncode} of {' '.join(self.command)}")
        for text in reversed(done.stdout.splitlines()):
            if text.startswith("{"):
                found = json.loads(text)
                if all(found.get(key) == value for key, value in self.line.items()):
                    return found
        raise RuntimeError(f"{self.name}: no line with {self.line or 'seconds'} in what {' '.join(self.command)} printed")


def printed_by(command, **how):
    """All JSON lines of a program that takes its rounds by itself."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **how)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Measured:
    """What the rounds of one program gave."""

    def __init__(self, name, runs):
        self.name, self.runs = name, runs
        self.seconds = statistics.median(run["seconds"] for run in runs)
        self.fastest = min(run["seconds"] for run in runs)
        self.slowest = max(run["seconds"] for run in runs)
        # numbers that a program has measured by itself may lack any of the others
        peaks = [run["peak_mb"] for run in runs if run.get("peak_mb")]
        self.peak_mb = max(peaks) if peaks else None
        cpu = [run["cpu_seconds"] for run in runs if run.get("cpu_seconds") is not None]
        self.cpu_seconds = statistics.median(cpu) if cpu else None


def in_turn(programs, rounds, title):
    """Runs the programs A B A B …, so that what else the machine does strikes all of them; by name."""
    runs = {program.name: [] for program in programs}
    for number in range(rounds):
        for program in programs:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\033[K{title}: round {number + 1} of {rounds}, {program.name}")
                sys.stderr.flush()
            runs[program.name].append(program.run())
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    return {name: Measured(name, found) for name, found in runs.items()}
