# SPDX-License-Identifier: Apache-2.0
#
# What the tests of both demos share, behind verdicts.sh: what a demo said stands in $folder/said,
# what it made in $demo.
demo="$folder/a demo"

said() { grep -q -e "$1" "$folder/said"; }
count() { find "$1" -name "$2" | wc -l; }

# Width and height stand in the first chunk of a PNG file, most significant byte first.
png_size() { od -A n -t u1 -j 16 -N 8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; }

all_of_size() { # SIZE FILE...
    size=$1
    shift
    for file in "$@"; do
        [ "$(png_size "$file")" = "$size" ] || return 1
    done
}

all_differ() { # FOLDER FILE...: from the file of the same name in the folder
    others=$1
    shift
    for file in "$@"; do
        ! cmp -s "$file" "$others/$(basename "$file")" || return 1
    done
}

marks_intact() { # COUNT FILE: so many lines of `limn verify` say it
    [ "$(grep -c '\.png: intact: .*trainedAlgorithmicMedia' "$2")" -eq "$1" ]
}

presented() { # RUN: the sheet, and what the demo said
    well "there is a sheet ($1)" [ -s "$demo/sheet.jpg" ]
    well "the sheet is marked ($1)" "$limn" verify "$demo/sheet.jpg"
    well "it says where the sheet is ($1)" said "$demo/sheet.jpg"
    well "no control characters where nobody looks ($1)" \
        [ "$(tr -d '[:print:]\n\t' <"$folder/said" | wc -c)" -eq 0 ]
    [ "$failed" -eq 0 ] || tail -n 20 "$folder/said"
}
