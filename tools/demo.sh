#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The demo: 24 line drawings that the shipped model has never seen, coloured with touches of colour
# and without, on one sheet.  `make demo` calls it after the build; it takes seconds, opens nothing
# and needs no network.
#
#     tools/demo.sh [LIMN SHEET]        the two programs; else those in build/
#
# Everything goes into $DEMO_FOLDER (demo).  What an earlier demo left there under the same names is
# replaced, and nothing else is touched.  docs/models.md has the model's story.
set -eu
cd "$(dirname "$0")/.."
limn=${1:-build/limn} sheet=${2:-build/tools/sheet}
folder=${DEMO_FOLDER:-demo}
here=models/lineart
model=$here/lineart.safetensors

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
stop() { echo "demo: $1" >&2; exit 1; }

mkdir -p "$folder"
rm -rf "$folder/without" "$folder/with" "$folder/sheet.jpg" "$folder/marks.txt"

colour() { # FROM TO
    code=0
    "$limn" translate "$model" "$1" -o "$2" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || stop "the drawings could not be coloured (above)"
    [ "$code" -eq 0 ] || echo "demo: the screen refused some by mistake (docs/safety.md)" >&2
}

say "1. Colouring 24 line drawings as the model guesses"
colour "$here/drawings" "$folder/without"
say "2. Colouring them with touches of colour"
colour "$here/touched" "$folder/with"
"$limn" verify "$folder"/with/*.png "$folder"/without/*.png >"$folder/marks.txt" ||
    stop "a mark of origin does not hold: $folder/marks.txt"
"$sheet" "$folder/sheet.jpg" "$model" "$here/drawings" "$here/touched" "$folder/without" \
    "$folder/with"

count() { find "$1" -name '*.png' | wc -l; }
say "Done"
cat <<END
  $folder/sheet.jpg     drawing | with touches | coloured without them | coloured with them
  $folder/with/         $(count "$folder/with") coloured drawings; each carries a signed mark of its origin
  $folder/without/      $(count "$folder/without") coloured without touches

Your own drawing, black lines on white, with dabs of any colours on it:
  $limn translate $model DRAWING.png -o COLOURED.png
Watch a small network learn in two minutes:
  make demo-train
END
