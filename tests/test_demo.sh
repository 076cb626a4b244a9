#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/demo.sh with the shipped model: everything that it promises is there, of the right size and
# marked, the touches change the pictures, and a second run starts over.
#
#     test_demo.sh LIMN SHEET
set -u
limn=$(realpath "$1")
sheet=$(realpath "$2")
root=$(realpath "$(dirname "$(realpath "$0")")/..")
model="$root/models/lineart"
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

run() { DEMO_FOLDER="$folder" "$root/tools/demo.sh" "$limn" "$sheet" >"$scratch/said" 2>&1; }
said() { grep -q -e "$1" "$scratch/said"; }
count() { find "$1" -name "$2" | wc -l; }
below() { [ "$1" -lt "$2" ]; }

# Width and height stand in the first chunk of a PNG file, most significant byte first.
png_size() { od -A n -t u1 -j 16 -N 8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; }
sizes_hold() {
    for file in "$folder"/with/*.png "$folder"/without/*.png; do
        [ "$(png_size "$file")" = 256x256 ] || return 1
    done
}


touches_count() {
    for file in "$folder"/with/*.png; do
        ! cmp -s "$file" "$folder/without/$(basename "$file")" || return 1
    done
}

whole() {
    is "the demo runs ($1)" run
    for way in with without; do
        is "24 drawings are coloured $way ($1)" [ "$(count "$folder/$way" '*.png')" -eq 24 ]
    done
    is "sizes are those of the drawings ($1)" sizes_hold
    is "touches make a difference ($1)" touches_count
    is "48 marks are intact ($1)" \
        [ "$(grep -c '\.png: intact: .*trainedAlgorithmicMedia' "$folder/marks.txt")" -eq 48 ]
    is "there is a sheet ($1)" [ -s "$folder/sheet.jpg" ]
    is "the sheet is marked ($1)" "$limn" verify "$folder/sheet.jpg" >"$scratch/sheet"
    is "it says where the sheet is ($1)" said "$folder/sheet.jpg"
    is "no control characters where nobody looks ($1)" \
        [ "$(tr -d '[:print:]\n\t' <"$scratch/said" | wc -c)" -eq 0 ]
    [ "$failed" -eq 0 ] || tail -n 20 "$scratch/said"
}

whole "first run"
touch "$folder/with/left_over.png" "$folder/mine.txt"
whole "second run"
is "what is not the demo's is left alone" [ -e "$folder/mine.txt" ]

# What is shipped with it.
is "the model is under 30 MB" below "$(wc -c <"$model/lineart.safetensors")" 30000000
is "the pictures are under 2 MB" below "$(cat "$model"/drawings/* "$model"/touched/* | wc -c)" 2000000
is "every drawing is attributed" \
    [ "$(tail -n +2 "$model/ATTRIBUTION.tsv" | cut -f 1)" = "$(ls "$model/drawings")" ]
is "every drawing has touches" [ "$(ls "$model/touched")" = "$(ls "$model/drawings")" ]
is "the licences are there" [ "$(grep -c 'Apache License\|MIT License' "$model/NOTICE")" -ge 2 ]
is "sheet: without folders it says how" eval '"$sheet" 2>&1 | grep -q usage'

echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
