#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The command line as a person meets it: exit codes, which stream says what, the nearest command.
#
#     test_cli.sh PROGRAM VERSION
set -u
. "$(dirname "$0")/verdicts.sh"
limn=$1
version=$2

# expect NAME CODE OUT ERR ARGUMENT...: OUT and ERR are shell patterns for the two streams.
expect() {
    name=$1 code=$2 out_pattern=$3 err_pattern=$4
    shift 4
    "$limn" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    out=$(cat "$folder/out") err=$(cat "$folder/err")
    well=yes
    [ "$got" -eq "$code" ] || well="exit code $got, not $code"
    case $out in $out_pattern) ;; *) well="standard output: $out" ;; esac
    case $err in $err_pattern) ;; *) well="standard error: $err" ;; esac
    [ "$well" = yes ]
    verdict "$name: $well" $?
}

expect "no argument shows the list and is a mistake" 2 '' '*usage: limn COMMAND*'
expect "help" 0 '*usage: limn COMMAND*help*version*' '' help
expect "--help" 0 '*usage: limn COMMAND*' '' --help
expect "help of a command" 0 'limn version: *usage: limn version' '' help version
expect "help of an unknown command" 2 '' 'limn: there is no command or setting "versoin"; did you mean "version"?' help versoin
expect "help of a setting" 0 'limn train --lambda-L1 X*weight of the L1 term*0 to 1e+06; when it is not given: 100' '' help lambda-L1
expect "help of a setting as it is typed" 0 'limn train --lambda-L1 X*' '' help --lambda_L1
expect "help of a switch" 0 'limn train --?no-?flip*when it is not given: true' '' help --no-flip
expect "help of an older spelling" 0 'limn train --n-epochs N*also spelt --niter*' '' help niter
expect "help of a setting of one command" 0 'limn score --compute WORD*' '' help score compute
case $out in *train*) verdict "help score compute speaks of train" 1 ;; *) verdict "" 0 ;; esac
expect "help of a setting nearly right" 2 '' 'limn: there is no command or setting "lambda_l1"; did you mean "lambda-L1"?' help lambda_l1
expect "help of a setting that another command has" 2 '' 'limn: there is no setting "ngf" of limn info*' help info ngf
expect "help takes two words" 2 '' 'limn: help takes one command and one setting, not also "x"' help train ngf x
expect "--help behind a command" 0 'limn train: *--lambda-NCE*' '' train nowhere --help
expect "-h behind a command" 0 'limn info: *' '' info -h
expect "a file of that name is no wish for help" 1 '' 'limn: *--help*' info -- --help
expect "help says the exit codes" 0 '*exit codes:*  0  *  1  *  2  *  3  *  4  *  130  *' '' help
expect "help in no known form" 2 '' 'limn: --as is "troff"; it must be one of text|man|bash|zsh|fish' help --as troff
expect "the page is about all" 2 '' 'limn: --as man is about all commands; leave "info" out' help --as man info
expect "version" 0 "limn $version" '' version
expect "--version" 0 "limn $version" '' --version
expect "version takes nothing" 2 '' 'limn: version takes no argument, not "x"' version x
expect "a command nearly right" 2 '' 'limn: there is no command "hlp"; did you mean "limn help"?' hlp
expect "a command far from any" 2 '' 'limn: there is no command "qqqqqqqqqqqq"; "limn help" lists them' qqqqqqqqqqqq
expect "an empty command" 2 '' 'limn: there is no command ""*' ''
expect "a % in a command" 2 '' 'limn: there is no command "%s%n%s"*' '%s%n%s'
long=$(printf '%02000d' 0)
expect "a very long command" 2 '' 'limn: there is no command "0000*' "$long"

# Settings: what is near, what is missing, what is no setting.
expect "a setting nearly right" 2 '' 'limn: there is no setting --jsn; did you mean --json?' check x --jsn
expect "the second table's as well" 2 '' 'limn: there is no setting --outptu; did you mean --output?' translate m x --outptu y
expect "a setting far from any" 2 '' 'limn: there is no setting --qqqqqq; "limn help train" lists them' train --qqqqqq
expect "a value is missing at the end" 2 '' 'limn: --epochs wants a value after it' train --epochs
expect "a value is missing in between" 2 '' 'limn: -o wants a value after it, and none is given before --json' translate m x -o --json
expect "a value with dashes" 1 '' 'limn: *' translate "$folder/none" x --out=--json
expect "a dash too few" 2 '' 'limn: there is no setting -epochs (two dashes make it one)*' train -epochs 3
expect "plan has no --json" 2 '' 'limn: there is no setting --json; *' plan infer --json
for command in train translate score check info verify import export bench plan; do
    expect "$command alone says how" 2 '' "limn: *" $command
done

# limn check: a folder with two mistakes, one of them in a name that JSON must escape.
data=$folder/data
mkdir -p "$data/train"
printf 'P5\n4 2\n255\nabcdefgh' >"$data/train/one.pgm"
printf 'P5\n4 2\n255\nabcdefgi' >"$data/train/two.pgm"
expect "check takes a folder" 2 '' 'limn: say which folder: limn check FOLDER*' check
expect "check wants one that is there" 1 '' "limn: there is no data folder $folder/none*" check "$folder/none"
expect "check of a folder that is fine" 0 "*paired (train): train 2*0 errors*" '' check "$data" --few 0
expect "check as it is used elsewhere" 0 "*warning  few*2 pairs to train on are few*" '' check --dataroot "$data"
: >"$data/train/a\"b.png"
printf 'P5\n4 2\n255\nabcdefgh' >"$data/train/$(printf 'x\377').pgm"
expect "check with mistakes" 1 '*error    broken*0 bytes*' "limn: 1 mistake* in $data" check "$data"
"$limn" check "$data" --json >"$folder/report" 2>/dev/null
/usr/bin/python3 - "$folder/report" <<'END'
import json, sys
report = json.load(open(sys.argv[1], encoding="utf-8"))
broken = [f for f in report["findings"] if f["kind"] == "broken"]
same = [f for f in report["findings"] if f["kind"] == "same"]
assert report["train"] == 4 and report["errors"] == 1 and len(broken) == 1 and len(same) == 1
assert broken[0]["files"][0].endswith('train/a"b.png') and broken[0]["severity"] == "error"
assert sorted(f.rsplit("/", 1)[1] for f in same[0]["files"]) == ["one.pgm", "x\u00ff.pgm"]
END
verdict "check --json" $?

# A training that cannot begin leaves nothing behind.
expect "train wants pictures" 2 '' 'limn: say which pictures: limn train DATA *' train
expect "train wants a folder that is there" 1 '' "limn: there is no data folder $folder/none*" train "$folder/none" --out "$folder/run"
expect "train wants pictures in it" 1 '' "limn: $folder/nothing has no pairs to learn from*" train "$(mkdir "$folder/nothing"; echo "$folder/nothing")" --out "$folder/run"
well "and no run is left behind" [ ! -e "$folder/run" ]

if [ -w /dev/full ]; then
    "$limn" version >/dev/full 2>"$folder/err"
    code=$?
    case $code:$(cat "$folder/err") in
    "1:limn: could not write to standard output"*) verdict "" 0 ;;
    *) verdict "a full disk: exit code $code: $(cat "$folder/err")" 1 ;;
    esac
fi

finish
