#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Do others agree about limn's marks, and limn about theirs?  Marks pictures of every format and has
# them read by two C2PA clients (c2pa-rs as wasm, c2pa-ts), exiv2 and exiftool; changes and strips
# them; signs with a certificate of its own; lets c2pa-rs sign with every kind of key.
#
#     tests/check_provenance.sh MARK_TOOL [FOLDER]
#
# FOLDER (default: limn-provenance in the temporary folder) keeps the two clients, which npm fetches
# the first time; that is why this is not part of `make check`.  Needs node, npm, openssl, ImageMagick,
# exiv2, exiftool.  Prints a line a check and "N passed, N failed"; exit 0 when none failed.
set -u
tool=$(realpath "${1:?usage: check_provenance.sh MARK_TOOL [FOLDER]}") || exit 2
folder=${2:-${TMPDIR:-/tmp}/limn-provenance}
here=$(cd "$(dirname "$0")" && pwd)
for need in node npm openssl convert exiv2 exiftool; do
    command -v "$need" >/dev/null || { echo "check_provenance: $need is not installed" >&2; exit 2; }
done
mkdir -p "$folder" || exit 2
if [ ! -d "$folder/node_modules/@trustnxt/c2pa-ts" ]; then
    npm install --ignore-scripts --no-audit --no-fund --prefix "$folder" \
        @contentauth/c2pa-wasm@0.13.3 @trustnxt/c2pa-ts@0.9.4 >&2 || exit 2
fi
cp "$here/provenance.mjs" "$folder/"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
passed=0
failed=0

report() { # 0 or 1, what
    if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $2"; fi
}
clients() { # arguments of provenance.mjs, a line a file
    node "$folder/provenance.mjs" "$@" >clients.txt 2>&1
    code=$?
    cat clients.txt
    ok=$(grep -c '^ok ' clients.txt)
    not=$(grep -c '^FAIL' clients.txt)
    if [ "$code" -ne 0 ] && [ "$not" -eq 0 ]; then not=1; fi
    [ $((ok + not)) -gt 0 ] || not=1
    passed=$((passed + ok)) failed=$((failed + not))
}
limn_says() { # wanted exit code, files...
    want=$1
    shift
    for file in "$@"; do
        "$tool" verify "$file" >limn.txt 2>&1
        got=$?
        [ "$want" = broken ] && { [ $got -ne 0 ] && [ $got -ne 2 ] && got=broken; }
        [ "$got" = "$want" ]
        report $? "limn says $got and not $want of $file: $(head -n 1 limn.txt)"
    done
}

echo "== pictures of every format"
convert -size 256x256 -seed 1 plasma:red-blue -depth 8 png8.png
convert -size 256x256 -seed 2 plasma:green-white -depth 16 PNG48:png16.png
convert png8.png -colorspace Gray png_grey.png
convert png8.png -quality 90 jpeg.jpg
convert png8.png -interlace JPEG -quality 80 jpeg_progressive.jpg
convert png8.png webp.webp
convert png8.png -define webp:lossless=true webp_lossless.webp
convert png8.png tiff.tif
convert png16.png -depth 16 -endian MSB -compress zip tiff16.tif
for file in png8.png png16.png png_grey.png jpeg.jpg jpeg_progressive.jpg webp.webp webp_lossless.webp tiff.tif tiff16.tif; do
    "$tool" mark $file marked_$file
    report $? "marking $file"
done
"$tool" mark png8.png marked_composite.png composite
report $? "marking a composite"
for size in 63700 150000; do # manifests of just one segment of JPEG, and of three
    "$tool" mark jpeg.jpg marked_long_$size.jpg trained "" "" $size
    report $? "marking with a title of $size bytes"
done
"$tool" mark png8.png marked_long.png trained "" "" 150000
report $? "marking a PNG with a long title"

echo "== both clients and limn call them valid"
clients check marked_*.png marked_*.jpg
limn_says 0 marked_*.png marked_*.jpg
limn_says 2 marked_*.webp marked_*.tif png8.png jpeg.jpg

echo "== exiv2 and exiftool read the source type"
for file in marked_*; do
    case $file in *composite*) type=compositeWithTrainedAlgorithmicMedia ;; *) type=trainedAlgorithmicMedia ;; esac
    uri=http://cv.iptc.org/newscodes/digitalsourcetype/$type
    [ "$(exiv2 -K Xmp.iptcExt.DigitalSourceType -Pv "$file" 2>/dev/null)" = $uri ]
    report $? "exiv2 on $file"
    [ "$(exiftool -s3 -XMP-iptcExt:DigitalSourceType -n "$file" 2>/dev/null)" = $uri ]
    report $? "exiftool on $file"
    [ "$(exiftool -s3 -XMP:CreatorTool "$file")" = "limn 0.1.0" ]
    report $? "exiftool's CreatorTool of $file"
    convert "$file" pixels.ppm 2>/dev/null # ImageMagick warns of XMP in WebP, whoever wrote it
    case $file in
    marked_long* | marked_composite*) ;;
    *) convert "${file#marked_}" before.ppm && cmp -s before.ppm pixels.ppm; report $? "the pixels of $file" ;;
    esac
done

echo "== one changed bit, in every region"
for file in marked_png8.png marked_jpeg.jpg; do
    mkdir flipped
    node "$folder/provenance.mjs" flip $file flipped
    report $? "changing $file"
    clients broken flipped/*
    limn_says broken flipped/*
    rm -r flipped
done

echo "== stripped"
convert marked_png8.png stripped.png
convert marked_jpeg.jpg -strip stripped.jpg # by itself it keeps APP11 as it is: broken, not stripped
clients none stripped.png stripped.jpg
limn_says 2 stripped.png stripped.jpg

echo "== a certificate of one's own"
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >leaf.txt
openssl ecparam -name prime256v1 -genkey -noout -out root.key
openssl req -x509 -new -key root.key -days 30 -subj "/O=limn tests/CN=root" \
    -addext keyUsage=critical,keyCertSign,cRLSign -out root.pem 2>/dev/null
pair() { # name, key options
    name=$1
    shift
    openssl genpkey "$@" -out "$name.key" 2>/dev/null
    openssl req -new -key "$name.key" -subj "/O=limn tests/CN=$name" |
        openssl x509 -req -CA root.pem -CAkey root.key -days 20 -extfile leaf.txt -out "$name.pem" 2>/dev/null
}
for bits in 256 384 521; do
    pair es$([ $bits = 521 ] && echo 512 || echo $bits) -algorithm EC -pkeyopt ec_paramgen_curve:P-$bits
done
for bits in 256 384 512; do pair ps$bits -algorithm RSA -pkeyopt rsa_keygen_bits:2048; done
pair ed25519 -algorithm ED25519
for file in png8.png jpeg.jpg; do
    "$tool" mark $file own_$file trained es256.pem es256.key
    report $? "marking $file with a certificate of one's own"
done
clients trusted root.pem own_png8.png own_jpeg.jpg
for file in own_png8.png own_jpeg.jpg; do
    "$tool" verify $file root.pem | grep -q 'known by the given anchors'
    report $? "limn knows the signer of $file"
    "$tool" verify marked_${file#own_} root.pem | grep -q 'known by the given anchors'
    [ $? -eq 1 ]
    report $? "limn does not know itself"
done
for other in es384 ps256 ed25519; do
    "$tool" mark png8.png refused.png trained $other.pem $other.key 2>refusal.txt
    [ $? -ne 0 ] && [ ! -e refused.png ] && grep -q 'signing needs' refusal.txt
    report $? "a key for $other is refused"
done

echo "== what c2pa-rs signs"
mkdir foreign
clients foreign . foreign jpeg.jpg png8.png webp.webp tiff.tif
limn_says 0 foreign/*
for file in foreign/*; do
    "$tool" verify "$file" root.pem | grep -q 'by other software 2.0, signed by .* (known by the given anchors)'
    report $? "limn names the signer of $file"
done

echo "== what it costs"
for file in png8.png png16.png jpeg.jpg webp.webp tiff.tif; do "$tool" time $file 200; done
[ "$failed" -eq 0 ] && [ "$passed" -gt 100 ]
code=$?
echo "$passed passed, $failed failed"
exit $code
