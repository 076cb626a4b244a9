#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds a folder and runs every test in it.  The last line is always "N passed, N failed"; the exit
# code is 0 only when something ran and nothing failed.
#
#     tools/check.sh BUILD_FOLDER [MESON_SETUP_OPTION...]
#
# $CHECK_ARGS goes to `meson test`; where it names tests, no more is built than they need.
set -u
cd "$(dirname "$0")/.." || exit 2
folder=$1
shift
give_up() { echo "check: $1"; echo "0 passed, 1 failed"; exit 1; }

if [ ! -f "$folder/build.ninja" ]; then
    meson setup "$folder" "$@" || give_up "meson could not set up $folder"
fi
[ -n "${CHECK_ARGS:-}" ] || ninja -C "$folder" || give_up "the build in $folder failed"
# meson passes over a name that no test has.
tests=$(meson test -C "$folder" --no-rebuild --list)
for name in ${CHECK_ARGS:-}; do
    case $name in -* | [0-9]*) continue ;; esac # an option and its number
    printf '%s\n' "$tests" | grep -q " / $name\$" || give_up "there is no test $name"
done
rm -f "$folder/meson-logs/testlog.json"
meson test -C "$folder" --print-errorlogs ${CHECK_ARGS:-}
tools/count_tests.py "$folder/meson-logs/testlog.json"
