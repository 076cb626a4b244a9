#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The shared library shows the functions that limn.h declares, every one and no other: compared with
# what nm reads in the built file.
#
#     test_exports.sh LIBRARY HEADER
set -eu
. "$(dirname "$0")/verdicts.sh"
"$(dirname "$0")/../tools/exports.sh" --names "$2" >"$folder/declared"
nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u >"$folder/visible"
[ -s "$folder/visible" ] || { echo "nothing is visible in $1"; exit 1; }
if ! diff "$folder/declared" "$folder/visible" >"$folder/diff"; then
    echo "limn.h (<) and the shared library (>) disagree:"
    cat "$folder/diff"
    exit 1
fi
