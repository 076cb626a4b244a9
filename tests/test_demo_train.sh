#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/demo_train.sh with a budget of seconds: Ctrl-C stops it; a second run starts over, and then
# everything that it promises is there, has the right size and carries its marks; mistakes are
# said.  What it learns in that time is nothing to look at and is not judged here.
#
#     test_demo_train.sh LIMN DRAW_SHAPES
set -u
. "$(dirname "$0")/verdicts.sh"
. "$(dirname "$0")/demo_verdicts.sh"
limn=$(realpath "$1")
draw=$(realpath "$2")
script=$(dirname "$(realpath "$0")")/../tools/demo_train.sh

run() { # SETTING...
    env DEMO_FOLDER="$demo" DEMO_EPOCHS=8 DEMO_SIZE=64 DEMO_PAIRS=48 "$@" \
        "$script" "$limn" "$draw" >"$folder/said" 2>&1
}

# Ctrl-C goes to everything that a terminal runs in front: a session of its own stands for that.
interrupted() {
    env --default-signal=INT DEMO_FOLDER="$demo" DEMO_EPOCHS=1000 DEMO_SIZE=64 DEMO_PAIRS=48 \
        setsid "$script" "$limn" "$draw" >"$folder/said" 2>&1 &
    n=0
    until said 'End of epoch 1 ' || [ $((n += 1)) -gt 6000 ]; do sleep 0.1; done
    kill -s INT -- "-$!"
    wait "$!"
    [ $? -eq 130 ]
}

verified() { "$limn" verify "$demo"/coloured/*.png >"$folder/marks"; }

whole() {
    well "the demo runs" run env
    well "24 drawings are coloured" [ "$(count "$demo/coloured" '*.png')" -eq 24 ]
    well "under the names of the drawings" \
        [ "$(ls "$demo/coloured")" = "$(ls "$demo/pictures/drawings")" ]
    well "sizes are those of the drawings" all_of_size 64x64 "$demo"/coloured/*.png
    well "they are not the drawings" \
        all_differ "$demo/pictures/drawings" "$demo"/coloured/*.png
    well "all marks hold" verified
    well "24 marks are intact" marks_intact 24 "$folder/marks"
    well "there is a page of results" grep -q '<html' "$demo/scores/index.html"
    well "with 24 pictures" \
        [ "$(grep -o '<img' "$demo/scores/index.html" | wc -l)" -eq 24 ]
    well "there is a page of the training" grep -q '<html' "$demo/run/index.html"
    well "it says where the page is" said "$demo/scores/index.html"
    presented "second run"
}

well "Ctrl-C stops it with exit code 130" interrupted
well "and what was learned is saved" [ -s "$demo/run/checkpoint.safetensors" ]
well "and not called done" [ ! -e "$demo/scores" ]
mkdir "$demo/coloured"
touch "$demo/coloured/left_over.png" "$demo/pictures/train/left_over.png" "$demo/mine.txt"
whole
well "what is not the demo's is left alone" [ -e "$demo/mine.txt" ]
well "of the first run nothing is left" [ ! -e "$demo/pictures/train/left_over.png" ]

refuses() { ! run env "$1" && said "$2"; }
well "no number of seconds" refuses DEMO_SECONDS=soon \
    'DEMO_SECONDS is "soon"; it must be a whole number above 0'
well "a size that no unet takes" refuses DEMO_SIZE=100 'DEMO_SIZE is 100; it must be 64, 128 or 256'
well "too few pairs" refuses DEMO_PAIRS=2 'DEMO_PAIRS is 2'

finish
