#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Holds every folder to its floor (docs/design.md):
#   - a folder includes its own headers and those of lower floors, nothing beside it or above it;
#   - the command line and the web server see limn.h alone, and limn.h sees none of ours;
#   - the header of an outside library, and a few calls, have one home each;
#   - further sentences of the design, one row each under "never".
# Prints one line a breach and exits 1; `floors.sh FOLDER` looks at another tree (tests/test_floors.sh
# plants breaches in a copy).
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
[ -d src ] && [ -d include ] || { echo "floors: no src/ and include/ here" >&2; exit 2; }

# folder: floor
floors='
include 8
base 0
tensor 1
image 2
op 2
net 3
zoo 4
model 5
screen 5
recipe 5
publish 6
score 6
data 6
train 7
translate 7
limn.c 8
cli 9
web 9
'
# start of the header's name: starts of the paths that are its home, a comma between.  The encoder's own
# file apart, only the door (src/publish) can encode a picture.
homes='
vips/ image/
glib image/
dnnl op/dnn
oneapi/ op/dnn
sqlite3 train/
microhttpd web/
openssl/ publish/
expat publish/mark_xmp
jansson tensor/safetensors
protobuf-c/ model/
onnx model/
mpi train/
omp.h base/threads.c
image/encode.h publish/,image/encode.c
'
# folder: header that it never includes though the floor would allow it (net never sees a file)
never='
net base/file.h
net tensor/safetensors.h
zoo base/file.h
zoo tensor/safetensors.h
'
# call: start of the paths that are its home.  The library takes memory at one door, and it never
# prints and never exits.
calls='
malloc base/memory.c
calloc base/memory.c
realloc base/memory.c
aligned_alloc base/memory.c
posix_memalign base/memory.c
strdup base/memory.c
asprintf base/memory.c
printf cli/
puts cli/
putchar cli/
perror cli/
exit cli/
'
files=$(find include src -type f -name '*.[ch]' | sort)
[ -n "$files" ] || { echo "floors: no source file found" >&2; exit 2; }

awk -v floors="$floors" -v homes="$homes" -v never="$never" -v calls="$calls" '
function say(what) { print FILENAME ":" FNR ": " what; bad = 1 }
function starts(text, head) { return substr(text, 1, length(head)) == head }
function at_home(path, heads,    head, n, i) {
    n = split(heads, head, ",")
    for (i = 1; i <= n; i++) if (starts(path, head[i])) return 1
    return 0
}
function rows(text, keys, values,    line, word, n, i, count) {
    n = split(text, line, "\n")
    for (i = 1; i <= n; i++) if (split(line[i], word, " ") == 2) {
        keys[++count] = word[1]; values[count] = word[2]
    }
    return count
}
BEGIN {
    n = rows(floors, key, value)
    for (i = 1; i <= n; i++) floor_of[key[i]] = value[i] + 0
    n_homes = rows(homes, header, home)
    n_calls = rows(calls, call, call_home)
    n = rows(never, key, value)
    for (i = 1; i <= n; i++) refused[key[i], value[i]] = 1
}
FNR == 1 {
    path = FILENAME
    sub(/^src\//, "", path)
    folder = path
    sub(/\/.*/, "", folder)
    if (folder ~ /^limn[a-z_]*\.c$/) folder = "limn.c"    # limn_bench.c and the like fulfil limn.h too
    comment = 0
    if (!(folder in floor_of)) say("folder " folder "/ has no floor: give it one in tools/floors.sh and docs/design.md")
}
{
    code = ""; rest = $0                                  # the line without its comments
    while (rest != "") {
        if (comment) {
            if (!(at = index(rest, "*/"))) break
            rest = substr(rest, at + 2); comment = 0
        } else if ((at = index(rest, "/*"))) {
            code = code substr(rest, 1, at - 1); rest = substr(rest, at + 2); comment = 1
        } else { code = code rest; rest = "" }
    }
    sub(/\/\/.*/, "", code)
}
code ~ /^[ \t]*#[ \t]*include/ {
    target = code
    sub(/^[^"<]*["<]/, "", target); sub(/[">].*/, "", target)
    if (index(target, "..")) { say("include by folder name, not by a path with ..: " target); next }
    for (i = 1; i <= n_homes; i++)
        if (starts(target, header[i]) && !at_home(path, home[i]))
            say("<" target "> has its home in src/" home[i])
    from = target
    if (!sub(/\/.*/, "", from)) from = target == "limn.h" ? "include" : folder   # "x.h" is beside it
    if (!(from in floor_of) || from == folder || from == "include") next
    if ((folder, target) in refused) say(folder "/ never includes " target)
    else if (folder == "cli" || folder == "web" || folder == "include") say(folder "/ may include limn.h alone, not " target)
    else if (floor_of[from] >= floor_of[folder]) say(folder "/ (floor " floor_of[folder] ") may not include " target " (floor " floor_of[from] ")")
    next
}
code ~ /_OPENMP/ || code ~ /^[ \t]*#[ \t]*pragma[ \t]+omp/ {
    if (path != "base/threads.c") say("OpenMP has its home in src/base/threads.c")
}
{
    gsub(/"([^"\\]|\\.)*"/, "\"\"", code)                # a word in a sentence is not a call
    if (folder != "web") for (i = 1; i <= n_calls; i++) {
        line = " " code
        if (match(line, "[^A-Za-z0-9_]" call[i] "[ ]*\\(") && !starts(path, call_home[i]))
            say(call[i] "() has its home in src/" call_home[i])
    }
}
END { exit bad }' $files
