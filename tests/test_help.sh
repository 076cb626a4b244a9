#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The manual page and the completions, which the program writes of its own settings: readers of
# manual pages have nothing to say against the page, everything that help lists is in it, and the
# shells complete by it.
#
#     test_help.sh PROGRAM
set -u
. "$(dirname "$0")/verdicts.sh"
limn=$(realpath "$1")
tests=$(dirname "$(realpath "$0")")
cd "$folder" || exit 2
silent() { said=$("$@" 2>&1 >/dev/null) && [ -z "$said" ] || { echo "$said"; false; }; }

for reader in man bash zsh fish; do
    well "it is written for $reader" "$limn" help --as $reader
    "$limn" help --as $reader >$reader 2>/dev/null
    "$limn" help --as $reader 2>/dev/null | cmp -s - $reader
    well "twice the same for $reader" test $? -eq 0
done

# ---- a narrow terminal ----
script -qec "stty cols 50; '$limn' help train" /dev/null </dev/null | tr -d '\r' >narrow
well "help is cut to the terminal" test "$(awk '{ if (length > n) n = length } END { print n }' narrow)" -le 50
well "and whole" grep -q -e '--lambda-NCE' narrow

# ---- the page ----
well "groff finds nothing wrong" silent groff -ww -man -Tutf8 man
# It has no date, so that the same sources make the same page.
mandoc -Tlint man | grep -v 'missing date' >lint
well "mandoc finds nothing wrong: $(head -n 3 lint)" test ! -s lint
MANWIDTH=200 groff -man -Tascii -P-c -P-b -P-u man | tr -s ' ' >plain
seen=0
for command in $("$limn" help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'); do
    well "$command is in the page" grep -q "^ *limn $command" plain
    "$limn" help $command | sed -n 's/^  .*--\(\[no-\]\)\{0,1\}\([A-Za-z0-9-]*\).*/\2/p' >settings
    for setting in $(cat settings); do
        seen=$((seen + 1))
        well "$command --$setting is in the page" grep -q -e "--\(\[no-\]\)\{0,1\}$setting" plain
        well "$command --$setting is completed" grep -q "'$command --$setting'\|--no-$setting" bash
        well "$command --$setting is explained" "$limn" help $command $setting
    done
done
well "settings were looked at" test $seen -gt 100
for code in 0 1 2 3 4 130; do well "exit code $code" grep -q "^ *$code " plain; done

# ---- the shells ----
well "bash understands it" bash -n bash
mkdir typed
python3 "$tests/check_completion.py" "$folder/bash" typed >typed.txt 2>&1
well "bash completes: $(cat typed.txt)" grep -q '^[1-9][0-9]* passed, 0 failed$' typed.txt
if command -v zsh >/dev/null; then well "zsh understands it" zsh -n zsh; fi
if command -v fish >/dev/null; then
    completes() { fish -c "source fish; complete -C '$1'" | grep -q "^$2"; }
    well "fish understands it" fish -n fish
    well "fish completes a command" completes "limn trans" "translate"
    well "fish completes a setting" completes "limn train --lambda-N" "--lambda-NCE"
    well "fish completes a word" completes "limn train --norm i" "instance"
fi

finish
