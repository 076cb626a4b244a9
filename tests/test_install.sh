#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The installed tree by itself: what `meson install` puts there is enough to build and run the
# examples, by pkg-config, with another program's compiler flags; limn.h is good C11 and good C++.
# Where the build has no sanitizer of its own, the examples have one, which also finds what they
# leave of the library's memory.
#
#     test_install.sh BUILD EXAMPLES MODEL_TOOL DRAW_SHAPES
set -u
. "$(dirname "$0")/verdicts.sh"
build=$(realpath "$1") examples=$(realpath "$2") model_tool=$(realpath "$3")
draw_shapes=$(realpath "$4")

well "install" meson install -C "$build" --no-rebuild --quiet --destdir "$folder/tree"
header=$(find "$folder/tree" -name limn.h)
package=$(find "$folder/tree" -name limn.pc)
library=$(find "$folder/tree" -name 'liblimn.so')
program=$(find "$folder/tree" -path '*/bin/limn' -type f)
for found in "$header" "$package" "$library" "$program"; do
    well "it is installed" test -e "$found"
done
well "the manual page is where man looks" test -s "$folder"/tree/*/*/share/man/man1/limn.1 -o \
    -s "$folder"/tree/*/share/man/man1/limn.1
for place in bash-completion/completions/limn zsh/site-functions/_limn fish/vendor_completions.d/limn.fish; do
    well "$place is installed" test -n "$(find "$folder/tree" -path "*/share/$place" -size +1k)"
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
sanitize="-g -fsanitize=address,undefined"
if nm -D "$library" | grep -q __asan_init; then sanitize=; fi # one is enough
for example in "$examples"/*.c; do
    name=$(basename "$example" .c)
    well "$name is built" cc -std=c11 $strict $sanitize "$example" $flags -lm -o "$folder/$name"
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

# A training from the library: it reports, ends, stands in its folder, goes on and says what it refuses.
well "pairs to learn from" "$draw_shapes" "$folder/pairs" --size 64 --train 6 --val 2 --test 1
train() {
    "$folder/train_with_progress" "$folder/pairs" "$@" >"$folder/train.txt" 2>"$folder/said"
}
small="netG=unet_64 ngf=4 ndf=4 preprocess=none crop-size=64 n-epochs-decay=0"
well "train_with_progress runs" train "$folder/run" $small n-epochs=2
well "it shows every epoch" test "$(grep -c '^epoch [12] took .* L1 0\.' "$folder/train.txt")" -eq 2
well "and losses by name" grep -q 'epoch 2 of 2, 6 of 6 steps.* G_GAN .* G_L1 .* D_real .* D_fake ' "$folder/train.txt"
well "its model translates" "$folder/translate_file" "$folder/run" "$folder/in.ppm" "$folder/learned.png"
train "$folder/run"
well "it goes on where it was" grep -q '^resumed: .*after 12 steps' "$folder/train.txt"
"$folder/train_with_progress" "$folder/pairs" "$folder/long" $small n-epochs=100000 lr=1e-5 >"$folder/train.txt" 2>&1 &
training=$!
n=0
until grep -q ' took ' "$folder/train.txt" || [ $((n += 1)) -gt 3000 ]; do sleep 0.1; done
kill -INT $training
wait $training
code=$?
well "Ctrl-C stops it with exit code 130" test $code -eq 130
well "and the run is saved" test -s "$folder/long/checkpoint.safetensors"
# What is learned is wrong for these validation pictures: it stops by itself after eight epochs more.
for pair in "$folder"/pairs/val/*; do
    convert "$pair" -gravity east -region 64x64+0+0 -negate "$pair"
done
well "it stops when nothing becomes better" train "$folder/worse" $small n-epochs=40
well "after eight epochs" test "$(grep -c ' took ' "$folder/train.txt")" -lt 20
train "$folder/none" ngf=0
code=$?
well "a setting out of range is exit code 2" test $code -eq 2
well "and said" grep -q 'train_with_progress: --ngf is 0; it must be 1 to 1024' "$folder/said"
well "and nothing is made" test ! -e "$folder/none"

finish
