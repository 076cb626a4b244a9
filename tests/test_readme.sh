#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# README.md as a reader follows it: every line "$ limn ..." is typed as it stands, in a folder that
# has what `make demo-train` makes (smaller), and must succeed; what stands below it there must be
# said, numbers and run of blanks aside.  "..." leaves lines out, and cuts a line.
#
#     test_readme.sh README LIMN DRAW_SHAPES
set -u
. "$(dirname "$0")/verdicts.sh"
readme=$(realpath "$1") limn=$(realpath "$2") draw=$(realpath "$3")
cd "$folder" || exit 2
mkdir bin && ln -s "$limn" bin/limn
PATH=$folder/bin:$PATH

# Numbers become N, and runs of blanks do not count.
plain() { sed 's/[0-9][0-9.]*/N/g; s/  */ /g; s/^ //; s/ $//' "$@"; }

mkdir -p demo/train
"$draw" demo/train/pictures --size 128 --train 8 --val 2 --test 2 >/dev/null || exit 2
limn train demo/train/pictures --out demo/train/run --netG unet_128 --ngf 4 --ndf 4 --preprocess none \
    --crop-size 128 --n-epochs 1 --n-epochs-decay 0 >.log 2>&1 || { cat .log; exit 2; }

commands=0
: >.said
while IFS= read -r line; do
    case $line in
    '    $ limn '*)
        command=${line#'    $ '}
        commands=$((commands + 1))
        sh -c "$command" >.out 2>&1 </dev/null
        verdict "$command: $(tail -n 2 .out)" $?
        plain .out >.said
        shown=yes
        ;;
    '    ...' | '') [ -n "$line" ] || shown= ;;
    '    '*)
        [ "${shown:-}" = yes ] || continue
        wanted=$(printf '%s\n' "${line%...}" | plain)
        grep -qF -e "$wanted" .said
        verdict "$command does not say: $wanted" $?
        ;;
    *) shown= ;;
    esac
done <"$readme"
[ "$commands" -ge 5 ]
verdict "five commands are typed, not $commands" $?

# What it points at is there.
for place in $(sed -n 's/.*](\([a-zA-Z][^)#:]*\)).*/\1/p; s/.*src="\([^"]*\)".*/\1/p' "$readme"); do
    [ -e "$(dirname "$readme")/$place" ]
    verdict "$place is there" $?
done

finish
