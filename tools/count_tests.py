#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what `meson test` ran, from its log.

A cmocka program counts by its cases, any other test counts one.  A program that died before it
could say what failed counts as one failure.  The last line is "N passed, N failed"; the exit code
is 0 only when something passed and nothing failed, so an empty run is not a success.
"""
import json
import re
import sys


def count(test):
    """(passed, failed, skipped) of one row of the log."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    ok = test["result"] in ("OK", "EXPECTEDFAIL")
    said = (test.get("stdout") or "") + (test.get("stderr") or "")
    ran = sum(int(n) for n in re.findall(r"^\[=+\] (?:[\w ]*: )?(\d+) test\(s\) run", said, re.M))
    if not ran:
        return (1, 0, 0) if ok else (0, 1, 0)
    passed = sum(int(n) for n in re.findall(r"^\[  PASSED  \] (\d+) test\(s\)", said, re.M))
    skipped = sum(int(n) for n in re.findall(r"^\[  SKIPPED \] (\d+) test\(s\)", said, re.M))
    failed = ran - passed - skipped
    if not ok and not failed:
        failed = 1
    return passed, failed, skipped


def main():
    passed = failed = skipped = 0
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            for line in log:
                p, f, s = count(json.loads(line))
                passed, failed, skipped = passed + p, failed + f, skipped + s
    except (OSError, ValueError) as fault:
        print(f"count_tests: {fault}")
        failed += 1
    if skipped:
        print(f"{skipped} skipped")
    if not passed and not failed:
        print("count_tests: no test ran")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
