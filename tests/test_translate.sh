#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# limn translate, limn score and limn verify as a person meets them: every kind of picture, folders,
# pipes, what is never overwritten, and the exit codes.  Results are read by Pillow, tifffile,
# ImageMagick and exiftool (check_translated.py).
#
#     test_translate.sh PROGRAM MODEL_TOOL SOURCE
set -u
. "$(dirname "$0")/verdicts.sh"
limn=$(realpath "$1") model_tool=$(realpath "$2") source=$(realpath "$3") # it works elsewhere
check="/usr/bin/python3 $source/tests/check_translated.py"
cd "$folder" || exit 2

# runs CODE PATTERN ARGUMENT...: the exit code, and a shell pattern that standard error matches.
runs() {
    code=$1 pattern=$2
    shift 2
    "$limn" "$@" >said.out 2>said.err
    got=$?
    err=$(cat said.err)
    [ "$got" -eq "$code" ]
    verdict "limn $*: exit code $got, not $code: $err" $?
    case $err in $pattern) verdict "" 0 ;; *) verdict "limn $*: said '$err', not '$pattern'" 1 ;; esac
}
no_parts() { # nothing half-written anywhere
    left=$(find . -name '*limn-part*')
    [ -z "$left" ]
    verdict "left behind: $left" $?
}

"$model_tool" same 3 same.safetensors && "$model_tool" inverse 3 inverse.safetensors &&
    "$model_tool" both both.safetensors && "$model_tool" dropout drop.safetensors &&
    "$model_tool" unet unet.safetensors && "$model_tool" same 1 grey.safetensors &&
    "$model_tool" same 5 five.safetensors || exit 2
$check picture eye eye.png && $check picture negative negative.png && $check picture plain a.png 60 40 || exit 2

# ---- every kind of picture, in one folder ----
mkdir kinds
/usr/bin/python3 "$source/tests/make_pictures.py" make kinds || exit 2
rm -f kinds/*.want kinds/*.planes
mkdir -p kinds/deep/er
cp kinds/rgb.png "kinds/deep/er/a name with blanks.PNG"
cp kinds/rgb.jpg kinds/deep/
broken=$(cd kinds && ls -d cut_* stub_* huge* words.jpg table.png empty.png drawing.png signed.tif \
    many4.tif many5.tif many7.tif planes2.tif planes5.tif planes6.tif | wc -l)
runs 1 "*$broken of * could not be translated*" translate same.safetensors kinds -o out --compute fp32
well "sizes, depths, alpha" $check like kinds out
grep -q 'moving.gif has 3 frames or pages; only the first is translated' said.err
verdict "frames of a folder: $(grep -c frames said.err) lines" $?
[ "$(grep -c 'only the first is translated' said.err)" -eq 1 ]
verdict "frames of pictures with one" $?
runs 0 "limn: kinds/moving.gif has 3 frames or pages; only the first is translated" \
    translate same.safetensors kinds/moving.gif -o moving.png
"$limn" translate same.safetensors kinds/moving.gif -o moving.png --json 2>/dev/null |
    grep -q '"status": "ok", "error": null, "note": "kinds/moving.gif has 3 frames'
verdict "frames in JSON" $?
well "structure and names" test -f "out/deep/er/a name with blanks.PNG" -a -f out/deep/rgb.jpg
[ "$(find kinds -type f | wc -l)" -eq $(($(find out -type f | wc -l) + broken)) ]
verdict "everything that is not broken is there" $?
for name in rgb.png rgba.png rgb16.png rgb16.tif grey.png; do
    [ -f "kinds/$name" ] && well "values of $name" $check values "kinds/$name" "out/$name"
done
runs 0 '' verify out/rgb.png out/rgb.jpg out/inks.jpg
no_parts

# ---- sizes ----
for size in "256 256" "257 311" "1 1" "3 500"; do
    $check picture plain in.png $size
    runs 0 '' translate unet.safetensors in.png -o u.png
    well "U-Net at $size" $check like-one in.png u.png
    runs 0 '' translate same.safetensors in.png -o s.png --compute fp32
    well "values at $size" $check values in.png s.png
done
$check picture plain large.png 4000 3000
runs 0 '' translate same.safetensors large.png -o large_out.png --compute fp32
well "4000 x 3000" $check values large.png large_out.png
runs 1 '*4000 x 3000*takes about*allowed are 64 MiB*--memory*' translate same.safetensors large.png -o none.png --memory 64
[ ! -e none.png ]
verdict "nothing is written for what does not fit" $?

# ---- channels ----
runs 0 '' translate grey.safetensors a.png -o one.png
[ "$(exiftool -s3 -ColorType one.png)" = Grayscale ]
verdict "a network of one channel writes grey" $?
runs 0 '' translate five.safetensors kinds/many5.tif -o five.tif
[ "$(exiftool -s3 -SamplesPerPixel five.tif)" = 5 ]
verdict "five channels" $?
runs 1 '*take TIFF*' translate five.safetensors kinds/many5.tif -o five.png

# ---- names and formats ----
runs 0 '' translate same.safetensors a.png -o as.jpg
[ "$(exiftool -s3 -FileType as.jpg)" = JPEG ]
verdict "format by ending" $?
runs 0 '*' translate same.safetensors a.png kinds/rgb.jpg -o many --format webp
exiftool -s3 -FileType many/a.webp | grep -q WEBP && [ -f many/rgb.webp ]
verdict "format by --format" $?
runs 2 '*cannot carry marks*' translate same.safetensors a.png -o x.ppm
runs 2 '*is an input and would be overwritten*' translate same.safetensors a.png -o a.png
runs 2 '*is an input and would be overwritten*' translate same.safetensors a.png -o ./
ln -s a.png link.png
runs 2 '*is an input and would be overwritten*' translate same.safetensors a.png -o link.png
mkdir twice && cp a.png twice/
runs 2 '*would both be written to*' translate same.safetensors a.png twice -o both
mkdir endings && cp a.png endings/x.png && cp kinds/rgb.bmp endings/x.bmp
runs 0 '*' translate same.safetensors endings -o endings_out
[ -f endings_out/x.png ] && [ -f endings_out/x.bmp.png ]
verdict "x.png and x.bmp do not meet" $?
runs 0 '*' translate same.safetensors endings -o endings/out
runs 0 '*3 of 3*' translate same.safetensors endings a.png -o endings/out
mkdir here && cp a.png "here/Zeichnung für Ä b.png" && cp a.png "here/絵.png" && ln -s ../a.png here/link.png
runs 0 '*3 of 3*' translate same.safetensors here -o "there und Ä"
[ -f "there und Ä/Zeichnung für Ä b.png" ] && [ -f "there und Ä/絵.png" ] && [ -f "there und Ä/link.png" ]
verdict "names of other letters, with blanks, of links" $?
[ ! -L "there und Ä/link.png" ] && cmp -s a.png here/link.png
verdict "what a link leads to is left alone" $?
runs 2 '*many.png is the name of a picture*write many.png/*' translate same.safetensors a.png link.png -o many.png
[ ! -e many.png ]
verdict "no folder is made of a slip" $?
runs 0 '*2 of 2*' translate same.safetensors a.png link.png -o many.png/
[ -f many.png/a.png ] && [ -f many.png/link.png ]
verdict "unless it is meant" $?
runs 1 '*60000 x 60000 pixels, the limit is*' translate same.safetensors kinds/huge*.ppm -o x.png
runs 1 '*no picture in this folder*' translate same.safetensors "$(mkdir none; echo none)" -o x
runs 1 '*no such thing*' translate same.safetensors "no such thing" -o x
runs 2 '*say where to*' translate same.safetensors a.png
runs 2 '*say which pictures*' translate same.safetensors -o x.png
runs 2 '*AtoB or BtoA*' translate same.safetensors a.png -o x.png --direction up

# ---- standard input and output ----
"$limn" translate same.safetensors - --compute fp32 <a.png >piped.png
verdict "a pipe" $?
well "values through a pipe" $check values a.png piped.png
"$limn" verify piped.png >said.out
verdict "a piped picture is marked" $?
"$limn" translate same.safetensors - -o - --format jpeg <a.png | cmp -s -n 3 - as.jpg
verdict "another format through a pipe" $?
"$limn" translate same.safetensors - <kinds/cut_rgb.png >nothing 2>said.err
[ $? -eq 1 ] && [ ! -s nothing ] && grep -q "standard input" said.err
verdict "a broken picture through a pipe" $?
"$limn" translate same.safetensors - <eye.png >nothing 2>said.err
[ $? -eq 3 ] && [ ! -s nothing ]
verdict "a refused one through a pipe" $?
script -qec "'$limn' translate same.safetensors a.png -o -" /dev/null >said.out 2>&1 </dev/null
grep -q "a picture is not for a terminal" said.out
verdict "no picture goes to a terminal: $(head -c 200 said.out | tr -cd '[:print:]')" $?
"$limn" translate same.safetensors a.png -o - >/dev/full 2>said.err
[ $? -eq 1 ] && grep -q "No space left" said.err
verdict "a pipe that is full" $?

# ---- refusals ----
runs 3 '*eye.png: refused: the input*score 0.76*' translate same.safetensors eye.png -o no.png
runs 3 '*no.png: refused: the output*' translate inverse.safetensors negative.png -o no.png
[ ! -e no.png ]
verdict "nothing is written of what is refused" $?
mkdir mixed && cp eye.png a.png mixed/
runs 3 '*1 of 2 pictures were refused*' translate same.safetensors mixed -o mixed_out
[ -f mixed_out/a.png ] && [ ! -e mixed_out/eye.png ]
verdict "the rest goes on" $?
cp kinds/words.jpg mixed/
runs 1 '*1 of 3 * could not be translated and 1 were refused*' translate same.safetensors mixed -o mixed_out
runs 3 '*' translate same.safetensors eye.png a.png -o mixed_out --json
/usr/bin/python3 - <<'END'
import json, sys
lines = [json.loads(line) for line in open("said.out")]
sys.exit(not ([x["status"] for x in lines] == ["refused", "ok"] and lines[0]["output"] is None
              and "0.76" in lines[0]["error"] and lines[1]["output"] == "mixed_out/a.png"))
END
verdict "--json" $?
no_parts

# ---- directions, variants ----
runs 0 '' translate both.safetensors a.png -o ab.png --direction AtoB --compute fp32
runs 0 '' translate both.safetensors a.png -o ba.png --direction BtoA --compute fp32
well "A to B gives back" $check values a.png ab.png
well "B to A inverts" $check differ ab.png ba.png
runs 0 '' translate drop.safetensors a.png -o v.png --sample 3
well "variants differ" $check differ v_1.png v_2.png
well "all of them" $check differ v_2.png v_3.png
runs 0 '' translate drop.safetensors a.png -o w.png --sample 3
well "the same seed, the same variants" $check equal v_3.png w_3.png
runs 0 '' translate drop.safetensors a.png -o w.png --sample 1 --seed 5
well "another seed" $check differ v_1.png w.png
runs 0 '' translate drop.safetensors a.png -o d1.png
runs 0 '' translate drop.safetensors a.png -o d2.png
well "without --sample it is deterministic" $check equal d1.png d2.png
runs 2 '*without dropout*' translate same.safetensors a.png -o v.png --sample 2

# ---- what survives ----
runs 0 '' translate same.safetensors kinds/camera.jpg -o kept.jpg
[ "$(exiftool -s3 -Artist kept.jpg)" = "A. Draughtsman" ] && [ -z "$(exiftool -s3 -GPS:all kept.jpg)" ] &&
    [ "$(exiftool -s3 -n -Orientation kept.jpg)" = 1 ] && [ -z "$(exiftool -s3 -ThumbnailImage kept.jpg)" ]
verdict "EXIF stays; place and preview of the input go" $?
runs 0 '' translate same.safetensors kinds/camera.jpg -o kept.jpg --keep-gps
[ "$(exiftool -s3 -GPSLatitudeRef kept.jpg)" = North ]
verdict "--keep-gps" $?
[ -n "$(exiftool -s3 -ICC_Profile:all out/adobe.png)" ]
verdict "the profile stays" $?
exiftool -s3 -XMP:DigitalSourceType as.jpg | grep -q trainedAlgorithmicMedia
verdict "the source type" $?
[ "$(exiftool -s3 -XMP:CreatorTool as.jpg | cut -c 1-4)" = limn ]
verdict "the software" $?

# ---- a folder that goes away, one that cannot be written ----
mkdir gone
cp a.png gone/
( sleep 0.2; rm -rf gone_out ) &
i=0
while [ $i -lt 30 ]; do cp a.png "gone/$i.png"; i=$((i + 1)); done
"$limn" translate same.safetensors gone -o gone_out >/dev/null 2>said.err
code=$?
wait
[ $code -eq 0 ] || { [ $code -eq 1 ] && grep -q "gone_out" said.err; }
verdict "an output folder that vanishes: exit code $code, $(head -n 1 said.err)" $?
printf x >file
runs 1 '*a file of that name is there*' translate same.safetensors a.png -o file/x.png

# ---- verify ----
runs 0 '' verify as.jpg
runs 2 '*no manifest of origin*' verify a.png
cp as.jpg changed.jpg
printf '\125' | dd of=changed.jpg bs=1 seek=$(($(wc -c <changed.jpg) - 40)) conv=notrunc 2>/dev/null
runs 1 '*broken*' verify changed.jpg
runs 1 '*broken*' verify as.jpg a.png changed.jpg
runs 2 '*' verify as.jpg a.png
runs 1 '*none.jpg*' verify none.jpg
"$limn" verify --json as.jpg | /usr/bin/python3 -c 'import json,sys; v=json.load(sys.stdin); sys.exit(v["verdict"] != "intact" or v["self_made"] is not True)'
verdict "verify --json" $?

# ---- score ----
mkdir -p data/test
for n in 1 2; do convert a.png a.png +append "data/test/$n.png"; done
runs 0 '' score same.safetensors data --json --html page --worst worst.png --compute fp32
/usr/bin/python3 - <<'END'
import json, math, sys
s = json.load(open("said.out"))
ok = s["count"] == 2 and [p["name"] for p in s["pictures"]] == ["1.png", "2.png"]
ok = ok and 0 < s["mean"]["l1"] < 0.1 and s["mean"]["ssim"] > 0.9 and abs(s["mean"]["l1"] - s["pictures"][0]["l1"]) < 1e-6
sys.exit(not ok)
END
verdict "score --json: $(cat said.out)" $?
[ -f page/index.html ] && [ -f page/pictures/00002.png ] && [ -f worst.png ]
verdict "page and sheet" $?
runs 0 '' score same.safetensors data
grep -q "worst of 2 by L1" said.out
verdict "score for people" $?
runs 1 '*' score same.safetensors kinds
runs 2 '*say which folder*' score same.safetensors
no_parts

finish
