#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The counted line decides what passes, so its counter is tried on logs whose counts are known: above
# all it has to fail when something died, and when nothing ran.
set -u
. "$(dirname "$0")/verdicts.sh"
count="$(dirname "$0")/../tools/count_tests.py"

# row RESULT [STDOUT]: one line of meson's log, as meson writes it.
row() { printf '{"name": "a", "result": "%s", "stdout": "%s", "stderr": ""}\n' "$1" "${2:-}" >>"$folder/log"; }
# expect NAME CODE LINE: what the rows written since the last one have to count to.
expect() {
    touch "$folder/log"
    last=$("$count" "$folder/log" | tail -n 1)
    "$count" "$folder/log" >/dev/null
    code=$?
    [ "$code" -eq "$2" ] && [ "$last" = "$3" ]
    verdict "$1: exit code $code, said: $last" $?
    rm "$folder/log"
}
cases() { printf '%s' "[==========] $1 test(s) run.\\n[  PASSED  ] $2 test(s).\\n${3:-}"; }

expect "nothing ran" 1 "0 passed, 0 failed"
row OK
expect "a plain program" 0 "1 passed, 0 failed"
row FAIL
expect "a plain failure" 1 "0 passed, 1 failed"
row TIMEOUT
expect "a time-out" 1 "0 passed, 1 failed"
row ERROR
expect "an error" 1 "0 passed, 1 failed"
row SKIP
expect "a skip alone is nothing run" 1 "0 passed, 0 failed"
row OK "$(cases 5 5)"
expect "five cases" 0 "5 passed, 0 failed"
row FAIL "$(cases 5 3 '[  FAILED  ] 2 test(s), listed below:')"
expect "two of five" 1 "3 passed, 2 failed"
row OK "$(cases 5 4 '[  SKIPPED ] 1 test(s), listed below:')"
expect "one of five skipped" 0 "4 passed, 0 failed"
row FAIL "$(cases 5 5)"
expect "all passed, then it died" 1 "5 passed, 1 failed"
row FAIL "[ RUN      ] first"
expect "died in the first case" 1 "0 passed, 1 failed"
row OK "$(cases 2 2)\\n$(cases 3 3)"
expect "two groups in a program" 0 "5 passed, 0 failed"
row OK "$(cases 2 2)"
row FAIL
row SKIP
row OK
expect "all together" 1 "3 passed, 1 failed"
echo 'not a log' >"$folder/log"
expect "a broken log" 1 "0 passed, 1 failed"

finish
