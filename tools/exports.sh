#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the linker's version script for the shared library: every function that limn.h declares is
# visible, all else is local.  Made from the header itself, so that the two can't disagree.
# `exports.sh --names HEADER` prints the bare names.
set -eu
names_only=no
if [ "$1" = --names ]; then names_only=yes; shift; fi
names=$(awk '
    { line = line $0 "\n" }
    END {
        while ((at = index(line, "/*")) > 0) {           # comments hold examples: out with them
            rest = substr(line, at)
            line = substr(line, 1, at - 1) " " substr(rest, index(rest, "*/") + 2)
        }
        while (match(line, /limn_[a-z0-9_]+[ \n]*\(/)) {
            name = substr(line, RSTART, RLENGTH)
            line = substr(line, RSTART + RLENGTH)
            sub(/[ \n]*\($/, "", name)
            print name
        }
    }' "$1" | sort -u)
[ -n "$names" ] || { echo "exports.sh: no function found in $1" >&2; exit 1; }
if [ $names_only = yes ]; then printf '%s\n' "$names"; exit 0; fi
printf 'LIMN_0 {\nglobal:\n'
printf '    %s;\n' $names
printf 'local:\n    *;\n};\n'
