#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""limn and its peers by turns on the same machine: medians, ratio, memory.

    bench/compare.py                      every case
    bench/compare.py pix2pix_fp32 ...     some of them; --list names them
    bench/compare.py --json               one object a case

A, B, A, B: each turn is a process of its own, so that neither warms the other's memory, and slow
minutes of the machine fall on both.  A turn during which others used the processors (or a
hypervisor took them) is thrown away and repeated: CPU time of the whole machine, from /proc/stat,
less that of the turn itself.  The ratio is limn's time over the peer's: below 1, limn is faster.

Needs only Python's own library; the peers are set up by bench/setup_peers.sh.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FOREIGN_SHARE = 0.06  # of the turn's wall time: what others may use of the processors
FOREIGN_SECONDS = 0.05  # and what the clock ticks of /proc/stat may add
TRIES = 20

# What both sides are asked for, by the words of `limn bench`; the peer; its own best options; the
# ratio that limn has promised to stay under (None: only reported).
TRAIN = ["--set-to-none"]
CASES = {
    "pix2pix_fp32": ("pix2pix --net unet_256 --size 256 --batch 1 --ngf 64 --compute fp32", "torch_debian", TRAIN, 0.85),
    "pix2pix_fp32_torch2": ("pix2pix --net unet_256 --size 256 --batch 1 --ngf 64 --compute fp32", "torch", TRAIN, None),
    "pix2pix_bf16": ("pix2pix --net unet_256 --size 256 --batch 1 --ngf 64 --compute bf16", "torch_debian", TRAIN, None),
    "pix2pix_bf16_torch2": ("pix2pix --net unet_256 --size 256 --batch 1 --ngf 64 --compute bf16", "torch", TRAIN, None),
    "pix2pix_fp32_batch4": ("pix2pix --net unet_256 --size 256 --batch 4 --ngf 64 --compute fp32", "torch", TRAIN, None),
    "cycle_gan_fp32": ("cycle_gan --net resnet_9blocks --size 256 --batch 1 --ngf 64 --compute fp32", "torch", TRAIN, None),
    "cycle_gan_bf16": ("cycle_gan --net resnet_9blocks --size 256 --batch 1 --ngf 64 --compute bf16", "torch", TRAIN, None),
    "unet_fp32": ("infer --net unet_256 --size 256 --batch 1 --ngf 64 --compute fp32", "onnxruntime", [], 0.95),
    "unet_fp32_torch2": ("infer --net unet_256 --size 256 --batch 1 --ngf 64 --compute fp32", "torch", ["--optimize"], None),
    "unet_bf16_torch2": ("infer --net unet_256 --size 256 --batch 1 --ngf 64 --compute bf16", "torch", [], None),
    "resnet_fp32": ("infer --net resnet_9blocks --size 256 --batch 1 --ngf 64 --compute fp32", "onnxruntime", [], None),
}


def jemalloc():
    """The environment under which PyTorch is fastest: an allocator that gives nothing back."""
    found = sorted(glob.glob("/usr/lib/*/libjemalloc.so.2"))
    if not found:
        sys.exit("compare: libjemalloc.so.2 is missing; tools/setup bench installs it")
    return {"LD_PRELOAD": found[0], "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}


def openblas():
    """Debian's PyTorch takes whatever BLAS the system names; the one with OpenMP shares its threads."""
    found = sorted(glob.glob("/usr/lib/*/openblas-openmp/libblas.so.3"))
    if not found:
        sys.exit("compare: OpenBLAS with OpenMP is missing; tools/setup bench installs it")
    return {"LD_LIBRARY_PATH": os.path.dirname(found[0])}


def peer_command(peer, args):
    """(command, environment) of a peer."""
    python = os.path.join(args.peers, "bin", "python")
    if peer == "torch_debian":
        return ["/usr/bin/python3", os.path.join(HERE, "peer_torch.py")], {**jemalloc(), **openblas()}
    if peer == "torch":
        return [python, os.path.join(HERE, "peer_torch.py")], jemalloc()
    return [python, os.path.join(HERE, "peer_onnxruntime.py")], {}


def processors_busy():
    """Seconds that all processors together have worked or lost to a hypervisor since the start."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:]]
    user, nice, system, _idle, _wait, irq, softirq, steal = ticks[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def turn(command, environment):
    """Runs one process; returns (its JSON object, the share of its time that others took)."""
    busy, begin = processors_busy(), time.monotonic()
    own = os.times()
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=False)
    after = os.times()
    wall = time.monotonic() - begin
    spent = (after.children_user - own.children_user) + (after.children_system - own.children_system)
    spent += (after.user - own.user) + (after.system - own.system)
    if done.returncode:
        sys.exit(f"compare: exit code {done.returncode} of: {' '.join(command)}")
    foreign = processors_busy() - busy - spent
    line = done.stdout.decode().strip().splitlines()[-1:]
    try:
        result = json.loads(line[0])
        result["median_ms"], result["rss_mib"]
    except (IndexError, KeyError, ValueError):
        sys.exit(f"compare: no result in the last line of: {' '.join(command)}")
    return result, max(0.0, foreign - FOREIGN_SECONDS) / wall


def quiet_turn(command, environment, args):
    for attempt in range(TRIES):
        result, foreign = turn(command, environment)
        if foreign <= FOREIGN_SHARE or args.any_load:
            return result, attempt
        print(f"compare: others took {foreign:.0%} of the time; once more", file=sys.stderr)
        time.sleep(min(30, 2 ** attempt))
    sys.exit(f"compare: the machine was not quiet in {TRIES} tries; --any-load takes what comes")


def compare(name, args):
    words, peer, options, mark = CASES[name]
    shared = words.split() + ["--threads", str(args.threads)] + args.setting
    limn = [args.limn, "bench", *shared, "--json"]
    command, environment = peer_command(peer, args)
    rounds = ["--rounds", str(args.samples)] if args.samples else []
    limn, command = limn + rounds, command + shared + options + rounds

    ours, theirs, thrown = [], [], 0
    for _ in range(args.rounds):
        for results, what, where in ((ours, limn, {}), (theirs, command, environment)):
            result, again = quiet_turn(what, where, args)
            results.append(result)
            thrown += again
    time_of = lambda results: [r["median_ms"] for r in results]
    ratios = [a / b for a, b in zip(time_of(ours), time_of(theirs))]
    return {
        "case": name, "limn": " ".join(shared), "peer": theirs[0].get("peer", peer),
        "peer_options": " ".join(options), "rounds": args.rounds, "turns_thrown_away": thrown,
        "limn_ms": statistics.median(time_of(ours)), "limn_min_ms": min(r["min_ms"] for r in ours),
        "peer_ms": statistics.median(time_of(theirs)), "peer_min_ms": min(r["min_ms"] for r in theirs),
        "ratio": statistics.median(time_of(ours)) / statistics.median(time_of(theirs)),
        "ratio_min": min(ratios), "ratio_max": max(ratios), "mark": mark,
        "limn_rss_mib": max(r["rss_mib"] for r in ours), "peer_rss_mib": max(r["rss_mib"] for r in theirs),
    }


def show(r):
    mark = "" if r["mark"] is None else f"  (mark {r['mark']:.2f}: {'met' if r['ratio'] <= r['mark'] else 'MISSED'})"
    print(f"{r['case']:22} limn {r['limn_ms']:9.1f} ms {r['limn_rss_mib']:7.0f} MiB | "
          f"{r['peer']:18} {r['peer_ms']:9.1f} ms {r['peer_rss_mib']:7.0f} MiB | "
          f"ratio {r['ratio']:.3f} [{r['ratio_min']:.3f}..{r['ratio_max']:.3f}]{mark}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help="cases by name; all when none is named")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--samples", type=int, default=0, help="samples in a turn (0: each side's own number)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limn", default=os.path.join(HERE, "..", "build", "limn"))
    parser.add_argument("--peers", default=os.environ.get("LIMN_PEERS", "/opt/limn-peers"))
    parser.add_argument("--set", dest="setting", action="append", default=[], metavar="--NAME=VALUE",
                        help="a setting that replaces the case's on both sides, as --set=--size=128")
    parser.add_argument("--any-load", action="store_true", help="keep turns on a machine that is not quiet")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.list:
        for name, (words, peer, options, mark) in CASES.items():
            print(f"{name:22} {words}  against {peer} {' '.join(options)}")
        return 0
    unknown = [name for name in args.case if name not in CASES]
    if unknown:
        sys.exit(f"compare: there is no case {unknown[0]}; --list names them")
    missed = False
    for name in args.case or CASES:
        result = compare(name, args)
        print(json.dumps(result), flush=True) if args.json else show(result)
        missed |= result["mark"] is not None and result["ratio"] > result["mark"]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
