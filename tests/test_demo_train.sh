#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/demo_train.sh with a budget of seconds: everything that it promises is there, has the right size
# and carries its marks; a second run starts over; mistakes are said.  What it learns in that time
# is nothing to look at and is not judged here.
#
#     test_demo_train.sh LIMN DRAW_SHAPES
set -u
limn=$(realpath "$1")
draw=$(realpath "$2")
demo=$(dirname "$(realpath "$0")")/../tools/demo_train.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder="$scratch/a demo"
passed=0
failed=0

is() { # NAME COMMAND...
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
    fi
}

run() { # what the demo says goes to $scratch/said
    env DEMO_FOLDER="$folder" DEMO_EPOCHS=12 DEMO_SIZE=64 DEMO_PAIRS=48 "$@" \
        "$demo" "$limn" "$draw" >"$scratch/said" 2>&1
}

said() { grep -q -e "$1" "$scratch/said"; }
count() { find "$1" -name "$2" | wc -l; }

# Width and height stand in the first chunk of a PNG file, most significant byte first.
png_size() { od -A n -t u1 -j 16 -N 8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; }

all_of_size() {
    for file in "$folder"/coloured/*.png; do
        [ "$(png_size "$file")" = 64x64 ] || return 1
    done
}

translated() {
    for file in "$folder"/coloured/*.png; do
        ! cmp -s "$file" "$folder/pictures/drawings/$(basename "$file")" || return 1
    done
}

whole() {
    is "the demo runs ($1)" run env
    is "24 drawings are coloured ($1)" [ "$(count "$folder/coloured" '*.png')" -eq 24 ]
    is "under the names of the drawings ($1)" \
        [ "$(ls "$folder/coloured")" = "$(ls "$folder/pictures/drawings")" ]
    is "sizes are those of the drawings ($1)" all_of_size
    is "they are not the drawings ($1)" translated
    is "all marks hold ($1)" "$limn" verify "$folder"/coloured/*.png >"$scratch/marks"
    is "24 marks are intact ($1)" \
        [ "$(grep -c '\.png: intact: .*trainedAlgorithmicMedia' "$scratch/marks")" -eq 24 ]
    is "there is a sheet ($1)" [ -s "$folder/sheet.jpg" ]
    is "the sheet is marked ($1)" "$limn" verify "$folder/sheet.jpg" >/dev/null
    is "there is a page of results ($1)" grep -q '<html' "$folder/scores/index.html"
    is "with 24 pictures ($1)" \
        [ "$(grep -o '<img' "$folder/scores/index.html" | wc -l)" -eq 24 ]
    is "there is a page of the training ($1)" grep -q '<html' "$folder/run/index.html"
    is "it says where the sheet is ($1)" said "$folder/sheet.jpg"
    is "it says where the page is ($1)" said "$folder/scores/index.html"
    is "no control characters where nobody looks ($1)" \
        [ "$(tr -d '[:print:]\n\t' <"$scratch/said" | wc -c)" -eq 0 ]
    [ "$failed" -eq 0 ] || tail -n 20 "$scratch/said"
}

whole "first run"
touch "$folder/coloured/left_over.png" "$folder/mine.txt"
whole "second run"
is "what is not the demo's is left alone" [ -e "$folder/mine.txt" ]

refuses() { ! run env "$1" && said "$2"; }
is "no number of seconds" refuses DEMO_SECONDS=soon \
    'DEMO_SECONDS is "soon"; it must be a whole number above 0'
is "a size that no unet takes" refuses DEMO_SIZE=100 'DEMO_SIZE is 100; it must be 64, 128 or 256'
is "too few pairs" refuses DEMO_PAIRS=2 'DEMO_PAIRS is 2'

echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
