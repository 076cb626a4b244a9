#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The installed tree by itself: what `meson install` puts there is enough to build and run the
# examples, by pkg-config, with another program's compiler flags; limn.h is good C11 and good C++.
#
#     test_install.sh BUILD EXAMPLES MODEL_TOOL
set -u
build=$(realpath "$1") examples=$(realpath "$2") model_tool=$(realpath "$3")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0

well() { # what, command...
    what=$1
    shift
    if said=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what: $said"
    fi
}

well "install" meson install -C "$build" --no-rebuild --quiet --destdir "$folder/tree"
header=$(find "$folder/tree" -name limn.h)
package=$(find "$folder/tree" -name limn.pc)
library=$(find "$folder/tree" -name 'liblimn.so')
program=$(find "$folder/tree" -name limn -type f)
for found in "$header" "$package" "$library" "$program"; do
    well "it is installed" test -e "$found"
done
export PKG_CONFIG_LIBDIR=$(dirname "$package")
export PKG_CONFIG_SYSROOT_DIR=$folder/tree
export LD_LIBRARY_PATH=$(dirname "$library")
flags=$(pkg-config --cflags --libs limn)
strict="-Wall -Wextra -Wpedantic -Werror"

printf '#include <limn.h>\nint main(void) { return limn_status_exit_code(LIMN_OK); }\n' >"$folder/alone.c"
cp "$folder/alone.c" "$folder/alone.cc"
well "limn.h alone, C11" cc -std=c11 $strict "$folder/alone.c" $flags -o "$folder/alone"
well "and its program runs" "$folder/alone"
if command -v c++ >/dev/null; then
    well "limn.h alone, C++17" c++ -std=c++17 $strict "$folder/alone.cc" $flags -o "$folder/alone"
fi
for example in "$examples"/*.c; do
    name=$(basename "$example" .c)
    well "$name is built" cc -std=c11 $strict "$example" $flags -lm -o "$folder/$name"
done

well "a model" "$model_tool" same 3 "$folder/m.safetensors"
printf 'P6 3 2 255\nabcdefghijklmnopqr' >"$folder/in.ppm"
well "translate_file runs" "$folder/translate_file" "$folder/m.safetensors" "$folder/in.ppm" "$folder/out.png"
well "its picture is marked" "$program" verify "$folder/out.png"
well "hold_model runs" "$folder/hold_model" "$folder/m.safetensors" "$folder/frame"
well "its pictures are marked" "$program" verify "$folder/frame1.png" "$folder/frame2.png" "$folder/frame3.png"
"$folder/translate_file" "$folder/m.safetensors" "$folder/none.png" "$folder/x.png" 2>"$folder/said"
code=$?
well "a file that is not there is exit code 1" test $code -eq 1
well "and said" grep -q "none.png" "$folder/said"

echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
