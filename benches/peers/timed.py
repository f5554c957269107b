#!/usr/bin/env python3
"""Runs a command and prints one JSON line: seconds from start to end, CPU seconds, and its peak memory.

usage: timed.py [--times N] COMMAND…        (with --times: the median of N runs, the largest peak)

The command's standard output is dropped; what it says on standard error is shown if it fails. A small process of its own, because a child's peak
begins with what its parent has in memory.
"""
import json, os, statistics, subprocess, sys, tempfile, time

arguments = sys.argv[1:]
times = 1
if arguments[0] == "--times":
    times, arguments = int(arguments[1]), arguments[2:]
seconds, cpu, peak = [], [], 0
for _ in range(times):
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(child.pid, 0)
        seconds.append(time.perf_counter() - start)
        if status != 0:
            errors.seek(0)
            sys.stderr.write(errors.read().decode(errors="replace"))
            sys.exit(os.waitstatus_to_exitcode(status) or 1)
    cpu.append(used.ru_utime + used.ru_stime)
    # kilobytes on Linux, bytes on macOS
    peak = max(peak, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
print(json.dumps({"seconds": round(statistics.median(seconds), 4), "cpu_seconds": round(statistics.median(cpu), 3),
                  "peak_mb": round(peak / 1e6, 1)}))
