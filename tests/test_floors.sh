#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/floors.sh has to name every breach: each is planted alone in a copy of the tree, and the
# clean copy has to pass.  Counts in the form of the other tests.
set -u
. "$(dirname "$0")/verdicts.sh"
top=$(cd "$(dirname "$0")/.." && pwd)
cp -R "$top/include" "$top/src" "$folder/"


said=$("$top/tools/floors.sh" "$folder" 2>&1)
verdict "the clean copy passes: $said" $?

# breach FILE LINE WORDS: the line, alone in a new file, is refused with the words and the file named.
breach() {
    mkdir -p "$(dirname "$folder/$1")"
    if [ -e "$folder/$1" ]; then echo "FAILED: $1 is taken"; failed=$((failed + 1)); return; fi
    printf '%s\n' "$2" >"$folder/$1"
    said=$("$top/tools/floors.sh" "$folder" 2>&1)
    code=$?
    rm -f "$folder/$1"
    case $code:$said in
    1:*"$1:1:"*"$3"*) verdict "$1" 0 ;;
    *) verdict "$1 with '$2' was to be refused with '$3'; exit $code: $said" 1 ;;
    esac
}
# fine FILE LINE: the line is no breach.
fine() {
    mkdir -p "$(dirname "$folder/$1")"
    printf '%s\n' "$2" >"$folder/$1"
    said=$("$top/tools/floors.sh" "$folder" 2>&1)
    verdict "$1 with '$2' is allowed, but: $said" $?
    rm -f "$folder/$1"
}

breach src/base/planted.c '#include "tensor/tensor.h"' 'base/ (floor 0) may not include tensor/tensor.h'
breach src/tensor/planted.h '#include "op/op.h"' 'tensor/ (floor 1) may not include op/op.h'
breach src/op/planted.c '#include "image/image.h"' 'op/ (floor 2) may not include image/image.h'
breach src/op/planted.c '#include "net/plan.h"' 'op/ (floor 2) may not include net/plan.h'
breach src/net/planted.c '#include "zoo/zoo.h"' 'net/ (floor 3) may not include zoo/zoo.h'
breach src/net/planted.c '#include "base/file.h"' 'net/ never includes base/file.h'
breach src/net/planted.c '#include <base/file.h>' 'net/ never includes base/file.h'
breach src/recipe/planted.c '#include "model/model.h"' 'recipe/ (floor 5) may not include model/model.h'
breach src/translate/planted.c '#include "train/trainer.h"' 'translate/ (floor 7) may not include train/trainer.h'
breach src/train/planted.c '#include "../cli/cli.h"' 'not by a path with ..'
breach src/cli/planted.c '#include "base/error.h"' 'cli/ may include limn.h alone'
breach src/web/planted.c '#  include "net/graph.h"' 'web/ may include limn.h alone'
breach include/planted.h '#include "base/error.h"' 'include/ may include limn.h alone'
breach src/attic/planted.c 'int x;' 'folder attic/ has no floor'

breach src/data/planted.c '#include <vips/vips.h>' 'home in src/image/'
breach src/net/planted.c '#include <oneapi/dnnl/dnnl.h>' 'home in src/op/dnn'
breach src/op/planted.c '#include "dnnl.h"' 'home in src/op/dnn'
breach src/web/planted.c '#include <sqlite3.h>' 'home in src/train/'
breach src/cli/planted.c '#include <microhttpd.h>' 'home in src/web/'
breach src/base/planted.c '#include <openssl/evp.h>' 'home in src/publish/'
breach src/model/planted.c '#include <jansson.h>' 'home in src/'
breach src/op/planted.c '#include <protobuf-c/protobuf-c.h>' 'home in src/model/'
breach src/zoo/planted.c '#include "onnx.pb-c.h"' 'home in src/model/'
breach src/base/planted.c '#include <mpi.h>' 'home in src/train/'
breach src/op/planted.c '#include <omp.h>' 'home in src/base/threads.c'
breach src/op/planted.c '#pragma omp parallel for' 'OpenMP has its home in src/base/threads.c'
breach src/op/planted.c '#ifdef _OPENMP' 'OpenMP has its home in src/base/threads.c'
breach include/planted.h '#include <vips/vips.h>' 'home in src/image/'
breach src/train/planted.c '#include "image/encode.h"' 'home in src/publish/'
breach src/translate/planted.c '#include <image/encode.h>' 'home in src/publish/'
breach src/image/planted.c '#include "image/encode.h"' 'home in src/publish/'
breach src/limn_planted.c '#include "cli/cli.h"' 'may not include cli/cli.h'

breach src/op/planted.c 'void *f(void) { return malloc(4); }' 'malloc() has its home in src/base/memory.c'
breach src/net/planted.c 'void f(void) { printf("x"); }' 'printf() has its home in src/cli/'
breach src/train/planted.c 'void f(void) { exit (1); }' 'exit() has its home in src/cli/'

fine src/op/planted.c '#include "base/memory.h"'
fine src/op/planted.c '#include "planted.h"'
fine src/cli/planted.c '#include "limn.h"'
fine src/publish/planted.c '#include "image/encode.h"'
fine src/limn_planted.c '#include "translate/translator.h"'
fine src/image/planted.c '#include <vips/vips.h>'
fine src/base/planted.c '/* malloc() is what printf("x") is not: #include <vips/vips.h> */'
fine src/base/planted.c 'const char *text = "call malloc(4) and exit(1)";'
fine src/base/planted.c 'void say(const char *form, ...) __attribute__((format(printf, 1, 2)));'

finish
