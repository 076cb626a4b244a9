#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/demo_train.sh with a budget of seconds: everything that it promises is there, has the right size
# and carries its marks; a second run starts over; mistakes are said.  What it learns in that time
# is nothing to look at and is not judged here.
#
#     test_demo_train.sh LIMN DRAW_SHAPES
set -u
. "$(dirname "$0")/verdicts.sh"
. "$(dirname "$0")/demo_verdicts.sh"
limn=$(realpath "$1")
draw=$(realpath "$2")
script=$(dirname "$(realpath "$0")")/../tools/demo_train.sh

run() { # SETTING...
    env DEMO_FOLDER="$demo" DEMO_EPOCHS=12 DEMO_SIZE=64 DEMO_PAIRS=48 "$@" \
        "$script" "$limn" "$draw" >"$folder/said" 2>&1
}

verified() { "$limn" verify "$demo"/coloured/*.png >"$folder/marks"; }

whole() {
    well "the demo runs ($1)" run env
    well "24 drawings are coloured ($1)" [ "$(count "$demo/coloured" '*.png')" -eq 24 ]
    well "under the names of the drawings ($1)" \
        [ "$(ls "$demo/coloured")" = "$(ls "$demo/pictures/drawings")" ]
    well "sizes are those of the drawings ($1)" all_of_size 64x64 "$demo"/coloured/*.png
    well "they are not the drawings ($1)" \
        all_differ "$demo/pictures/drawings" "$demo"/coloured/*.png
    well "all marks hold ($1)" verified
    well "24 marks are intact ($1)" marks_intact 24 "$folder/marks"
    well "there is a page of results ($1)" grep -q '<html' "$demo/scores/index.html"
    well "with 24 pictures ($1)" \
        [ "$(grep -o '<img' "$demo/scores/index.html" | wc -l)" -eq 24 ]
    well "there is a page of the training ($1)" grep -q '<html' "$demo/run/index.html"
    well "it says where the page is ($1)" said "$demo/scores/index.html"
    presented "$1"
}

whole "first run"
touch "$demo/coloured/left_over.png" "$demo/mine.txt"
whole "second run"
well "what is not the demo's is left alone" [ -e "$demo/mine.txt" ]

refuses() { ! run env "$1" && said "$2"; }
well "no number of seconds" refuses DEMO_SECONDS=soon \
    'DEMO_SECONDS is "soon"; it must be a whole number above 0'
well "a size that no unet takes" refuses DEMO_SIZE=100 'DEMO_SIZE is 100; it must be 64, 128 or 256'
well "too few pairs" refuses DEMO_PAIRS=2 'DEMO_PAIRS is 2'

finish
