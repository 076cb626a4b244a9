# SPDX-License-Identifier: Apache-2.0
"""Types into an interactive bash and reads what its completion made of it.

    check_completion.py SCRIPT FOLDER      says how many passed and failed in its last line

In the shell limn is a function that prints the words it got, so what counts is the line that bash
would run, blanks and all.
"""
import os
import pty
import re
import select
import sys
import time

# what is typed, the words that limn then gets
CASES = [
    ("trans\t", ["translate"]),
    ("translate --out\t", ["translate", "--output"]),
    ("translate --form\tjp\t", ["translate", "--format", "jpeg"]),
    ("translate --format=we\t", ["translate", "--format=webp"]),
    ("translate -f ti\t", ["translate", "-f", "tiff"]),
    ("translate one\t", ["translate", "one file.png"]),
    ("translate -o ano\t", ["translate", "-o", "another/"]),
    ("train --lambda-N\t3", ["train", "--lambda-NCE", "3"]),
    ("train --no-fl\t", ["train", "--no-flip"]),
    ("train --which_direction B\t", ["train", "--which_direction", "BtoA"]),
    ("train --ngf o\t", ["train", "--ngf", "o"]),  # a number is no file
    ("train --netG resnet_9\t", ["train", "--netG", "resnet_9blocks"]),
    ("bench inf\t", ["bench", "infer"]),
    ("help sco\t", ["help", "score"]),
    ("score --trans\t", ["score", "--trans"]),  # another command's
]


def read_until(fd, mark):
    seen = b""
    end = time.time() + 200  # a busy machine starts a program in seconds
    while mark not in seen:
        if time.time() > end or not select.select([fd], [], [], 1)[0] and time.time() > end:
            raise SystemExit("bash said only: %r" % seen)
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 4096)
    return seen


def main():
    script, folder = sys.argv[1:]
    os.chdir(folder)
    open("one file.png", "w").close()
    os.makedirs("another", exist_ok=True)
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", INPUTRC="/dev/null", HISTFILE="/dev/null", PS1="$ ")
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    os.write(fd, b"limn() { printf '{%s}' \"$@\"; printf '\\n.%s.\\n' done; }\n")
    os.write(fd, ("source '%s'; limn start\n" % script).encode())
    read_until(fd, b".done.")
    failed = 0
    for typed, wanted in CASES:
        os.write(fd, ("limn " + typed + "\n").encode())
        got = re.findall(r"\{(.*?)\}", read_until(fd, b".done.").decode())
        if got != wanted:
            failed += 1
            print("FAILED: limn %r became %r, not %r" % (typed, got, wanted))
    print("%d passed, %d failed" % (len(CASES) - failed, failed))
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
