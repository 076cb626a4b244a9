#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How limn's cost grows: the tables of docs/speed.md, as Markdown.

    bench/scaling.py                  all tables
    bench/scaling.py pixels batch     some: pixels, batch, threads, memory, start, folder

pixels   time per pixel from 256x256 to 1024x1024        mark: within 15 %
batch    time per picture from batch 1 to 8              mark: within 15 % (not slower)
threads  one thread to two                               mark: at least 1.8 times as fast
memory   resident memory of whole processes              marks as in tests/test_memory.sh
start    one picture, from process start to file
folder   pictures a second through a folder, and the share of it that the network takes

Loaded samples are thrown away as in bench/compare.py.  start and folder need a model: --model, or the
one that `bench/compare.py picture` has made.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

import compare

NETS = ["unet_256", "resnet_9blocks"]
NEAR = 0.15


def bench(args, words):
    """The result of one `limn bench`, from a turn of its own."""
    command = [args.limn, "bench", *words.split(), "--json"]
    if "--threads" not in words:
        command += ["--threads", str(args.threads)]
    line, _wall = compare.quiet_turn(command, {}, args, {"thrown_away": 0})
    return json.loads(line)


def table(title, head, rows):
    print(f"\n{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def verdict(met):
    return "met" if met else "NOT MET"


def pixels(args):
    rows = []
    for net in args.nets:
        for compute in args.computes:
            first = None
            for side in (256, 512, 1024):
                rounds = args.rounds if side == 256 else max(2, args.rounds // (4 if side == 512 else 8))
                r = bench(args, f"infer --net {net} --compute {compute} --size {side} --rounds {rounds}")
                each = 1e6 * r["median_ms"] / side ** 2
                first = first or each
                rows.append((net, compute, f"{side}x{side}", f"{r['median_ms']:.1f}", f"{each:.0f}",
                             f"{each / first:.2f}", verdict(each <= (1 + NEAR) * first), f"{r['rss_mib']:.0f}"))
    table("Time per pixel", ["network", "compute", "size", "ms", "ns a pixel", "to 256x256", "mark 1.15", "MiB"], rows)


def batch(args):
    rows = []
    cases = [(f"infer --net {net} --compute {c}", net) for net in args.nets for c in args.computes]
    cases += [(f"pix2pix --compute {c}", "pix2pix step") for c in args.computes]
    for words, name in cases:
        first = None
        for count in (1, 2, 4, 8):
            r = bench(args, f"{words} --batch {count} --rounds {max(2, args.rounds // count)}")
            each = r["median_ms"] / count
            first = first or each
            rows.append((name, r["compute"], count, f"{r['median_ms']:.1f}", f"{each:.1f}", f"{each / first:.2f}",
                         verdict(each <= (1 + NEAR) * first), f"{r['rss_mib']:.0f}"))
    table("Time per picture", ["what", "compute", "batch", "ms", "ms a picture", "to batch 1", "mark 1.15", "MiB"], rows)


def threads(args):
    rows = []
    for words in [f"infer --net {net}" for net in args.nets] + ["pix2pix"]:
        for compute in args.computes:
            times = {n: [] for n in (1, 2)}
            for _ in range(3):  # by turns
                for n in times:
                    r = bench(args, f"{words} --compute {compute} --threads {n} --rounds {max(3, args.rounds // 2)}")
                    times[n].append(r["median_ms"])
            one, two = (statistics.median(times[n]) for n in (1, 2))
            rows.append((words, compute, f"{one:.1f}", f"{two:.1f}", f"{one / two:.2f}", verdict(one / two >= 1.8)))
    table("One thread to two", ["what", "compute", "ms, 1 thread", "ms, 2 threads", "times as fast", "mark 1.8"], rows)


def memory(args):
    marks = [("pix2pix", "fp32", 1228.8), ("pix2pix", "bf16", 1228.8), ("infer --net unet_256", "fp32", 300),
             ("infer --net unet_256", "bf16", 180), ("infer --net unet_256", "int8", 100)]
    rows = []
    for words, compute, most in marks:
        try:
            r = bench(args, f"{words} --compute {compute} --rounds 1")
        except compare.Failed as fault:
            rows.append((words, compute, str(fault), f"{most:.0f}", verdict(False)))
            continue
        rows.append((words, compute, f"{r['rss_mib']:.0f}", f"{most:.0f}", verdict(r["rss_mib"] < most)))
    table("Resident memory", ["what", "compute", "MiB", "mark", ""], rows)


def model_of(args):
    model = args.model or os.path.join(args.peers, "limn-picture", "net.safetensors")
    if not os.path.exists(model):
        sys.exit(f"scaling: there is no model {model}; name one with --model")
    return model


def wall(args, command):
    return compare.quiet_turn(command, {}, args, {"thrown_away": 0})[1]


def start(args):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "in.png")
        compare.png(source)
        for compute in args.computes:
            command = [args.limn, "translate", model_of(args), source, "-o", os.path.join(folder, "out.png"),
                       "--compute", compute, "--threads", str(args.threads)]
            samples = [1e3 * wall(args, command) for _ in range(11)]
            rows.append((compute, f"{min(samples):.0f}", f"{statistics.median(samples):.0f}", f"{max(samples):.0f}"))
    table("One 256x256 picture, process start to file", ["compute", "least ms", "median", "most"], rows)


def folder(args):
    """The time of many pictures less that of one, so that starting does not count."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        many = os.path.join(place, "many")
        os.mkdir(many)
        compare.png(os.path.join(place, "one.png"))
        for i in range(args.pictures):
            shutil.copy(os.path.join(place, "one.png"), os.path.join(many, f"{i:03}.png"))
        for compute in args.computes:
            network = bench(args, f"infer --compute {compute} --rounds {args.rounds}")["median_ms"]
            for workers in (0, 1, 2):
                command = [args.limn, "translate", model_of(args), "", "-o", "", "--compute", compute,
                           "--threads", str(args.threads), "--workers", str(workers)]
                command[3], command[5] = os.path.join(place, "one.png"), os.path.join(place, "one_out.png")
                alone = min(wall(args, command) for _ in range(3))
                command[3], command[5] = many, os.path.join(place, f"out_{compute}_{workers}")
                each = 1e3 * (wall(args, command) - alone) / (args.pictures - 1)
                rows.append((compute, workers, f"{1e3 / each:.1f}", f"{each:.1f}", f"{network:.1f}",
                             f"{network / each:.0%}"))
    table(f"A folder of {args.pictures} pictures of 256x256 through unet_256, screened and signed",
          ["compute", "workers", "pictures a second", "ms a picture", "of it the network alone", "share"], rows)


TABLES = {"pixels": pixels, "batch": batch, "threads": threads, "memory": memory, "start": start, "folder": folder}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="*", choices=[[], *TABLES], help="tables; all when none is named")
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--computes", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=20, help="samples at 256x256; fewer where it takes longer")
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="a model of a unet_256, for start and folder")
    parser.add_argument("--limn", default=os.path.join(compare.HERE, "..", "build", "limn"))
    parser.add_argument("--peers", default=os.environ.get("LIMN_PEERS", "/opt/limn-peers"))
    parser.add_argument("--any-load", action="store_true", help="keep samples on a machine that is not quiet")
    args = parser.parse_args()
    for name in args.table or TABLES:
        TABLES[name](args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
