#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/demo.sh with the shipped model, in a folder where another run has left something: everything
# that it promises is there, of the right size and marked, and nothing else; the touches change the
# pictures.
#
#     test_demo.sh LIMN SHEET
set -u
. "$(dirname "$0")/verdicts.sh"
. "$(dirname "$0")/demo_verdicts.sh"
limn=$(realpath "$1")
sheet=$(realpath "$2")
root=$(realpath "$(dirname "$(realpath "$0")")/..")
model="$root/models/lineart"

run() { DEMO_FOLDER="$demo" "$root/tools/demo.sh" "$limn" "$sheet" >"$folder/said" 2>&1; }
below() { [ "$1" -lt "$2" ]; }

mkdir -p "$demo/with" "$demo/without"
touch "$demo/with/left_over.png" "$demo/without/left_over.png" "$demo/sheet.jpg" \
    "$demo/marks.txt" "$demo/mine.txt"
well "the demo runs" run
for way in with without; do
    well "24 drawings are coloured $way" [ "$(count "$demo/$way" '*.png')" -eq 24 ]
done
well "sizes are those of the drawings" all_of_size 256x256 "$demo"/with/*.png "$demo"/without/*.png
well "touches make a difference" all_differ "$demo/without" "$demo"/with/*.png
well "48 marks are intact" marks_intact 48 "$demo/marks.txt"
presented demo
well "what is not the demo's is left alone" [ -e "$demo/mine.txt" ]

# What is shipped with it.
well "the model is under 30 MB" below "$(wc -c <"$model/lineart.safetensors")" 30000000
well "the pictures are under 2 MB" below "$(cat "$model"/drawings/* "$model"/touched/* | wc -c)" 2000000
well "every drawing is attributed" \
    [ "$(tail -n +2 "$model/ATTRIBUTION.tsv" | cut -f 1)" = "$(ls "$model/drawings")" ]
well "every drawing has touches" [ "$(ls "$model/touched")" = "$(ls "$model/drawings")" ]
well "the licences are there" [ "$(grep -c 'Apache License\|MIT License' "$model/NOTICE")" -ge 2 ]
well "sheet: without folders it says how" eval '"$sheet" 2>&1 | grep -q usage'

finish
