#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Resident memory of whole processes, as a person's machine would feel it: the largest that the
# kernel has counted, from `limn bench --json`.  The bounds are promises of the project, with what
# others need for the same: a pix2pix step 1.42 GiB (PyTorch at its leanest), a unet_256 at rest
# 488 MiB (PyTorch, onnxruntime 494).  Two threads: each has scratch memory of its own, and a machine
# may have many cores.
#
#     test_memory.sh PROGRAM
set -u
. "$(dirname "$0")/verdicts.sh"
unset MALLOC_PERTURB_ # a test runner's: it fills what is taken, which makes it resident
limn=$1

below() { # MIB ARGUMENT...: rss_mib of `limn bench ARGUMENT...`
    most=$1
    shift
    if out=$("$limn" bench "$@" --ngf 64 --size 256 --batch 1 --threads 2 --rounds 1 --json 2>&1) &&
        rss=$(printf '%s' "$out" | sed -n 's/.*"rss_mib" *: *\([0-9][0-9]*\).*/\1/p') &&
        [ -n "$rss" ] && [ "$rss" -gt 10 ] && [ "$rss" -lt "$most" ]; then
        passed=$((passed + 1))
        echo "$*: $rss MiB, below $most"
    elif [ "${out%where the processor has no bfloat16, compute in fp32}" != "$out" ]; then
        echo "$*: skipped, this processor has no bfloat16"
    else
        failed=$((failed + 1))
        echo "FAILED: limn bench $*: ${rss:-no number} MiB, not below $most: ${out:-}"
    fi
}

below 1229 pix2pix --net unet_256 --compute fp32
below 1229 pix2pix --net unet_256 --compute bf16
below 300 infer --net unet_256 --compute fp32
below 180 infer --net unet_256 --compute bf16
below 100 infer --net unet_256 --int8

finish
