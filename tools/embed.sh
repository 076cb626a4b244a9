#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A file as an object of the library: writes an assembler source that takes the file in as it is.
# Any compiler's assembler can do it, for static and shared libraries, and nothing is turned into
# text and back (7 MB as a C array take a compiler a minute and a gigabyte).
#
#     tools/embed.sh FILE SOURCE.S SYMBOL       SYMBOL[] .. SYMBOL_end[], read only, aligned to 64
set -eu
file=$(realpath "$1")
cat >"$2" <<END
        .section .rodata
        .balign 64
        .globl $3
        .hidden $3
        .type $3, %object
$3:
        .incbin "$file"
        .globl $3_end
        .hidden $3_end
        .type $3_end, %object
$3_end:
        .byte 0
        .size $3, $3_end - $3
        .section .note.GNU-stack,"",%progbits
END
