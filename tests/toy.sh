#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Learns blue shapes <-> orange shapes of other forms without pairs, by cycle_gan and by cut, each in
# a few minutes, and measures on pictures it has not seen: what share of the coloured pixels has the
# other side's hue, and how much of the outline is kept (toy_tool.c).  Leaves both runs, the
# translated pictures and a sheet in $TOY_FOLDER (demo/toy).
#
#     toy.sh LIMN TOY_TOOL     by `make toy`; $TOY_RECIPES: "cycle_gan cut fastcut" or some of them
set -u
limn=$(realpath "$1")
tool=$(realpath "$2")
folder=${TOY_FOLDER:-demo/toy}
hue_least=0.9
outline_least=0.6
failed=0

# Small enough for minutes: 64x64, few filters.  The critic sees 16x16 pixels: one that sees whole
# forms wants those of the other side (with 2 layers cycle_gan turned discs into stars).  In float32,
# so that processors differ little.
common="--compute fp32 --ngf 12 --ndf 16 --netD n_layers --n-layers-D 1 --load-size 64 --crop-size 64 --lr 0.0005
        --val-pictures 6"
# A U-Net hands outlines over to its other end and has learned in half the steps; given as many as
# cut it goes on to speckle.  Instance norms would take away how bright the paper is, and without
# norms first weights must be drawn by fan.
of_cycle_gan="--netG unet_64 --no-dropout --norm none --init-type xavier --init-gain 1 --ema 0.99"
# So small a cut has two ends: with some seeds, or the same one on another number of threads, it
# leaves the forms white and colours what is around them (docs/recipes.md).
of_cut="--netG resnet_4blocks --nce-layers 0,4,8,12,14 --netF-nc 64 --num-patches 128
        --lambda-NCE 4 --seed 2"

# Compares a number with the least it must be.
least() { # NAME NUMBER LEAST
    if awk "BEGIN { exit !($2 >= $3) }"; then
        echo "  $1 $2 (at least $3)"
    else
        echo "  $1 $2: FAILED, it must be at least $3"
        failed=1
    fi
}

measure() { # RUN DIRECTION INPUTS HUE
    "$limn" translate "$folder/$1" "$folder/data/$3" -o "$folder/$1/$3" $2 >"$folder/$1/said" 2>&1 ||
        { cat "$folder/$1/said"; failed=1; return; }
    said=$("$tool" score "$folder/data/$3" "$folder/$1/$3" "$4") || { failed=1; return; }
    least "$1, $3 to $4: hue" "$(echo "$said" | sed 's/.*hue \([0-9.]*\),.*/\1/')" $hue_least
    least "$1, $3 to $4: outline" "$(echo "$said" | sed 's/.*outline \([0-9.]*\).*/\1/')" \
        $outline_least
}

learn() { # RECIPE EPOCHS SETTINGS...
    recipe=$1
    epochs=$2
    shift 2
    began=$(date +%s)
    "$limn" train "$folder/data" --out "$folder/$recipe" --model "$recipe" --n-epochs "$epochs" \
        --n-epochs-decay "$epochs" $common "$@" >"$folder/$recipe.log" 2>&1 ||
        { tail -n 3 "$folder/$recipe.log"; failed=1; return; }
    echo "$recipe: learned in $(($(date +%s) - began)) s; $folder/$recipe/index.html"
    measure "$recipe" "" testA orange
    [ "$recipe" != cycle_gan ] || measure "$recipe" "--direction BtoA" testB blue
}

rm -rf "$folder"
mkdir -p "$folder"
"$tool" draw "$folder/data" 200 40 || exit 1
# The measure itself: pictures that nothing was done to have the wrong hue and all of the outline.
[ "$("$tool" score "$folder/data/testA" "$folder/data/testA" orange)" = \
    "40 pictures: hue 0.000, outline 1.000" ] || { echo "the measure is wrong"; exit 1; }
for recipe in ${TOY_RECIPES:-cycle_gan cut}; do
    case $recipe in
    cycle_gan) learn "$recipe" "${TOY_EPOCHS:-2}" $of_cycle_gan ;;
    *) learn "$recipe" "${TOY_EPOCHS:-4}" $of_cut ;;
    esac
done
exit $failed
