#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The command line as a person meets it: exit codes, which stream says what, the nearest command.
#
#     test_cli.sh PROGRAM VERSION
set -u
limn=$1
version=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0

# expect NAME CODE OUT ERR ARGUMENT...: OUT and ERR are shell patterns for the two streams.
expect() {
    name=$1 code=$2 out_pattern=$3 err_pattern=$4
    shift 4
    "$limn" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    out=$(cat "$folder/out") err=$(cat "$folder/err")
    well=yes
    [ "$got" -eq "$code" ] || well="exit code $got, not $code"
    case $out in $out_pattern) ;; *) well="standard output: $out" ;; esac
    case $err in $err_pattern) ;; *) well="standard error: $err" ;; esac
    if [ "$well" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name: $well"; fi
}

expect "no argument shows the list and is a mistake" 2 '' '*usage: limn COMMAND*'
expect "help" 0 '*usage: limn COMMAND*help*version*' '' help
expect "--help" 0 '*usage: limn COMMAND*' '' --help
expect "help of a command" 0 'limn version: *usage: limn version' '' help version
expect "help of an unknown command" 2 '' 'limn: there is no command "versoin"; did you mean "limn version"?' help versoin
expect "help takes one" 2 '' 'limn: help takes one command, not also "help"' help version help
expect "version" 0 "limn $version" '' version
expect "--version" 0 "limn $version" '' --version
expect "version takes nothing" 2 '' 'limn: version takes no argument, not "x"' version x
expect "a command nearly right" 2 '' 'limn: there is no command "hlp"; did you mean "limn help"?' hlp
expect "a command far from any" 2 '' 'limn: there is no command "qqqqqqqqqqqq"; "limn help" lists them' qqqqqqqqqqqq
expect "an empty command" 2 '' 'limn: there is no command ""*' ''
expect "a % in a command" 2 '' 'limn: there is no command "%s%n%s"*' '%s%n%s'
long=$(printf '%02000d' 0)
expect "a very long command" 2 '' 'limn: there is no command "0000*' "$long"

if [ -w /dev/full ]; then
    "$limn" version >/dev/full 2>"$folder/err"
    code=$?
    case $code:$(cat "$folder/err") in
    "1:limn: could not write to standard output"*) passed=$((passed + 1)) ;;
    *) failed=$((failed + 1)); echo "FAILED: a full disk: exit code $code: $(cat "$folder/err")" ;;
    esac
fi

echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
