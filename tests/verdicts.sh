# SPDX-License-Identifier: Apache-2.0
#
# What the tests in shell share; each reads it before anything else.  A folder of the test's own,
# which goes however the test ends, unless by SIGKILL; what counts; and at the end of the test the
# lines that tools/count_tests.py reads.
#
#     . "$(dirname "$0")/verdicts.sh"
folder=$(mktemp -d "${TMPDIR:-/tmp}/limn-test-XXXXXX") || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP # a trap for EXIT alone is passed over when a signal ends the shell
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

verdict() { # WHAT CODE: 0 when it is well
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi
}

well() { # WHAT COMMAND...: the command has to succeed; what it says is shown when it doesn't
    what=$1
    shift
    said=$("$@" 2>&1)
    verdict "$what: $said" $?
}

finish() { # the last line of a test
    echo "[==========] $((passed + failed)) test(s) run."
    echo "[  PASSED  ] $passed test(s)."
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
