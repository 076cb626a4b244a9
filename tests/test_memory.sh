#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Resident memory of whole processes, as a person's machine would feel it: the largest that the
# kernel has counted, from `limn bench --json`.  The bounds are promises of the project, with what
# others need for the same: a pix2pix step 1.42 GiB (PyTorch at its leanest), a unet_256 at rest
# 488 MiB (PyTorch, onnxruntime 494).
#
#     test_memory.sh PROGRAM
set -u
limn=$1
passed=0
failed=0

below() { # MIB ARGUMENT...: rss_mib of `limn bench ARGUMENT...`
    most=$1
    shift
    if out=$("$limn" bench "$@" --ngf 64 --size 256 --batch 1 --compute fp32 --rounds 1 --json) &&
        rss=$(printf '%s' "$out" | sed -n 's/.*"rss_mib" *: *\([0-9][0-9]*\).*/\1/p') &&
        [ -n "$rss" ] && [ "$rss" -gt 10 ] && [ "$rss" -lt "$most" ]; then
        passed=$((passed + 1))
        echo "$*: $rss MiB, below $most"
    else
        failed=$((failed + 1))
        echo "FAILED: limn bench $*: ${rss:-no number} MiB, not below $most: ${out:-}"
    fi
}

below 1331 pix2pix --net unet_256
below 320 infer --net unet_256

echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
