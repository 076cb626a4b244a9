#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Says which C files clang-format would change; `format.sh --fix` changes them.
cd "$(dirname "$0")/.." || exit 2
command -v clang-format >/dev/null || { echo "format: clang-format is not installed" >&2; exit 2; }
files=$(find include src tests -name '*.[ch]' | sort)
[ -n "$files" ] || { echo "format: no file found" >&2; exit 2; }
if [ "${1:-}" = --fix ]; then exec clang-format -i $files; fi
# One call for all of them; each complaint begins with the name of its file.
bad=$(clang-format --dry-run $files 2>&1 | grep -E '^[^ :]+\.[ch]:[0-9]' | cut -d: -f1 | sort -u)
[ -n "$bad" ] || exit 0
printf 'format: clang-format would change %s\n' $bad
exit 1
