#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Says which C files clang-format would change; `format.sh --fix` changes them.
cd "$(dirname "$0")/.." || exit 2
command -v clang-format >/dev/null || { echo "format: clang-format is not installed" >&2; exit 2; }
files=$(find include src tests -name '*.[ch]' | sort)
[ -n "$files" ] || { echo "format: no file found" >&2; exit 2; }
if [ "${1:-}" = --fix ]; then exec clang-format -i $files; fi
bad=0
for file in $files; do
    clang-format --dry-run --Werror "$file" >/dev/null 2>&1 || { echo "format: clang-format would change $file"; bad=1; }
done
exit $bad
