#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""limn and its peers by turns on the same machine: medians, ratio, mark, memory.

    bench/compare.py --all                every case
    bench/compare.py pix2pix_fp32 ...     some of them; --list names them
    bench/compare.py --all --json         one object a case and line

Each side runs at its best.  A case names what both sides may try (limn's precisions; eager,
channels_last, bf16, traced and optimised, compiled PyTorch; onnxruntime's ways to quantise).  The
first turns try them all and the fastest of each side runs in the rest: A, B, A, B, each turn a
process of its own, so that neither warms the other's memory and slow minutes of the machine fall on
both.  What a peer cannot run is said and left out.  limn measures its choices of convolutions
once before (`limn bench --tune`), as it keeps them on any machine.

A turn during which others used the processors (or a hypervisor took them) is thrown away and
repeated: CPU time of the whole machine, from /proc/stat, less that of the turn itself.  The ratio is
limn's median over the peer's: below 1, limn is faster.  The marks are those that limn has promised
to stay under.  Exit code 1 when one is missed.

Needs only Python's own library; the peers are set up by bench/setup_peers.sh.
"""
import argparse
import glob
import json
import os
import statistics
import struct
import subprocess
import sys
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
FOREIGN_SHARE = 0.06  # of the turn's wall time: what others may use of the processors
FOREIGN_SECONDS = 0.05  # and what the clock ticks of /proc/stat may add
TRIES = 20

# ---- What is compared ----------------------------------------------------------------------------

# Words that `limn bench` and the peers share.
STEP = "pix2pix --net unet_256"
CYCLE = "cycle_gan --net resnet_9blocks --rounds 3"
UNET = "infer --net unet_256"
RESNET = "infer --net resnet_9blocks"
FP32, BF16, INT8 = "--compute fp32", "--compute bf16", "--compute int8"
LIMN8 = "--int8"  # layers between the first and the last; what a quantised model runs

# A peer's ways, each a string of options.  Training frees gradients instead of clearing them, which
# was faster everywhere.
TRAIN32 = [f"{FP32} --set-to-none", f"{FP32} --set-to-none --channels-last"]
TRAIN16 = [f"{BF16} --set-to-none", f"{BF16} --set-to-none --channels-last"]
TRAIN32_2 = TRAIN32 + [f"{FP32} --set-to-none --compile"]
TRAIN16_2 = TRAIN16 + [f"{BF16} --set-to-none --compile"]
INFER32 = [FP32, f"{FP32} --channels-last", f"{FP32} --optimize"]
INFER16 = [BF16, f"{BF16} --channels-last", f"{BF16} --optimize"]
INFER32_2 = INFER32 + [f"{FP32} --compile"]
INFER16_2 = INFER16 + [f"{BF16} --compile"]
QUANTISED = [f"{INT8} --quantize qdq", f"{INT8} --quantize operators"]

# name: (words, limn's ways, peer, its ways, mark, MiB that limn may take).  A mark of 1: ahead.
CASES = {
    "pix2pix_any": (STEP, [FP32, BF16], "torch_debian", TRAIN32 + TRAIN16, 0.52, 1228.8),
    "pix2pix_any_torch2": (STEP, [FP32, BF16], "torch", TRAIN32_2 + TRAIN16_2, 0.75, 1228.8),
    "pix2pix_fp32": (STEP, [FP32], "torch_debian", TRAIN32, 0.68, 1228.8),
    "pix2pix_fp32_torch2": (STEP, [FP32], "torch", TRAIN32_2, 0.85, 1228.8),
    "pix2pix_bf16": (STEP, [BF16], "torch_debian", TRAIN16, 1, 1228.8),
    "pix2pix_bf16_torch2": (STEP, [BF16], "torch", TRAIN16_2, 1, 1228.8),
    "pix2pix_batch4": (STEP + " --batch 4", [FP32, BF16], "torch_debian", TRAIN32 + TRAIN16, 0.55, None),
    "pix2pix_batch4_torch2": (STEP + " --batch 4", [FP32, BF16], "torch", TRAIN32 + TRAIN16, 1, None),
    "cycle_gan_fp32": (CYCLE, [FP32], "torch_debian", TRAIN32[:1], 0.50, None),
    "cycle_gan_bf16": (CYCLE, [BF16], "torch_debian", TRAIN16[:1], 0.60, None),
    "cycle_gan_fp32_torch2": (CYCLE, [FP32], "torch", TRAIN32[:1], 1, None),
    "cycle_gan_bf16_torch2": (CYCLE, [BF16], "torch", TRAIN16[:1], 1, None),
    "unet_fp32": (UNET, [FP32], "onnxruntime", [FP32], 0.75, 300),
    "unet_bf16": (UNET, [BF16], "onnxruntime", [FP32], 0.40, 180),
    "unet_int8": (UNET, [LIMN8], "onnxruntime", QUANTISED, 0.25, 100),
    "unet_fp32_torch1": (UNET, [FP32], "torch_debian", INFER32, 1, 300),
    "unet_fp32_torch2": (UNET, [FP32], "torch", INFER32_2, 1, 300),
    "unet_bf16_torch2": (UNET, [BF16], "torch", INFER32_2 + INFER16_2, 0.75, 180),
    "resnet_fp32": (RESNET, [FP32], "onnxruntime", [FP32], 0.50, None),
    "resnet_bf16": (RESNET, [BF16], "torch_debian", INFER16, 0.75, None),
    "resnet_int8": (RESNET, [LIMN8], "onnxruntime", QUANTISED, 0.60, None),
    "resnet_fp32_torch2": (RESNET, [FP32], "torch", INFER32_2, 1, None),
    "resnet_bf16_torch2": (RESNET, [BF16], "torch", INFER16_2, 1, None),
    # One picture, from the start of the process to the file: limn looks at input and output as well
    # and signs; PyTorch imports, reads the weights, computes and writes.
    "picture": ("picture", [""], "torch_debian", [""], 0.15, None),
    "picture_torch2": ("picture", [""], "torch", [""], 0.15, None),
}
PICTURE_SECONDS = 0.30  # and in itself


# ---- Running -------------------------------------------------------------------------------------


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
    """(start of the command, environment) of a peer."""
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


class Failed(Exception):
    """A turn that gave no result; the text is the end of what it said."""


def spent_by_children():
    now = os.times()
    return now.children_user + now.children_system + now.user + now.system


def turn(command, environment):
    """Runs one process; returns (its last line, wall seconds, the share of it that others took)."""
    busy, own, begin = processors_busy(), spent_by_children(), time.monotonic()
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    wall = time.monotonic() - begin
    foreign = processors_busy() - busy - (spent_by_children() - own)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise Failed(f"exit code {done.returncode}: {said[0][:200]}")
    line = (done.stdout.decode().strip().splitlines() or [""])[-1]
    return line, wall, max(0.0, foreign - FOREIGN_SECONDS) / wall


def quiet_turn(command, environment, args, count):
    for attempt in range(TRIES):
        line, wall, foreign = turn(command, environment)
        if foreign <= FOREIGN_SHARE or args.any_load:
            return line, wall
        count["thrown_away"] += 1
        print(f"compare: others took {foreign:.0%} of the time; once more", file=sys.stderr)
        time.sleep(min(30, 2 ** attempt))
    sys.exit(f"compare: the machine was not quiet in {TRIES} tries; --any-load takes what comes")


class Side:
    """One side of a case: the ways it may try, and what they took."""

    def __init__(self, name, ways, command_of, environment):
        self.name, self.ways, self.command_of, self.environment = name, ways, command_of, environment
        self.best, self.faults, self.results = None, {}, []

    def once(self, way, args, count):
        line, _wall = quiet_turn(self.command_of(way), self.environment, args, count)
        try:
            result = json.loads(line)
            result["median_ms"], result["rss_mib"]
        except (KeyError, TypeError, ValueError):
            raise Failed("no result in the last line of: " + " ".join(self.command_of(way))) from None
        return result

    def choose(self, args, count):
        """Tries every way once; the fastest one's result is the first of the rest."""
        for way in self.ways:
            try:
                result = self.once(way, args, count)
            except Failed as fault:
                self.faults[way] = str(fault)
                print(f"compare: {self.name} {way}: {fault}", file=sys.stderr)
                continue
            if self.best is None or result["median_ms"] < self.results[0]["median_ms"]:
                self.best, self.results = way, [result]

    def again(self, args, count):
        self.results.append(self.once(self.best, args, count))

    def median(self):
        return statistics.median(r["median_ms"] for r in self.results)


class Process(Side):
    """A side of which the whole process is timed, several times a turn."""

    def once(self, way, args, count):
        samples = [1e3 * quiet_turn(self.command_of(way), self.environment, args, count)[1]
                   for _ in range(args.samples or 7)]
        return {"median_ms": statistics.median(samples), "min_ms": min(samples), "rss_mib": 0.0}


# ---- One picture ---------------------------------------------------------------------------------


def png(path, side=256):
    """A picture of discs on a gradient, written by hand: 8-bit RGB."""
    rows = b""
    for y in range(side):
        row = bytearray([0])
        for x in range(side):
            inside = (x // 8 % 8 - 4) ** 2 + (y // 8 % 8 - 4) ** 2 < 10
            row += bytes((200, x // 2 + 60, 40)) if inside else bytes((x // 2 + 40, y // 2 + 60, 180))
        rows += bytes(row)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def picture_sides(peer, args):
    """The same random unet_256 as PyTorch's checkpoint and as limn's model, made once."""
    folder = os.path.join(args.peers, "limn-picture")
    checkpoint, model, source = (os.path.join(folder, n) for n in ("net.pth", "net.safetensors", "in.png"))
    os.makedirs(folder, exist_ok=True)
    script = os.path.join(HERE, "peer_picture.py")
    start, environment = peer_command(peer, args)
    if not os.path.exists(checkpoint):
        subprocess.run([start[0], script, "--make", checkpoint], check=True, stdout=sys.stderr)
    if not os.path.exists(model):
        subprocess.run([args.limn, "import", checkpoint, "-o", model], check=True, stdout=sys.stderr)
    png(source)
    ours, theirs = (os.path.join(folder, n) for n in ("limn.png", "torch.png"))
    limn = [args.limn, "translate", model, source, "-o", ours, "--threads", str(args.threads)]
    torch = [start[0], script, checkpoint, source, theirs, "--threads", str(args.threads)]
    return (Process("limn", [""], lambda _: limn, {}), Process(peer, [""], lambda _: torch, environment))


# ---- One case ------------------------------------------------------------------------------------


def bench_sides(words, ways, peer, peer_ways, args):
    shared = words.split() + ["--threads", str(args.threads)] + args.setting
    shared += ["--rounds", str(args.samples)] if args.samples else []
    start, environment = peer_command(peer, args)
    return (Side("limn", ways, lambda way: [args.limn, "bench", *shared, *way.split(), "--json"], {}),
            Side(peer, peer_ways, lambda way: [*start, *shared, *way.split()], environment))


def tune(side, args):
    """limn's choices for this machine, measured where they are not known yet."""
    for way in side.ways:
        command = side.command_of(way) + ["--rounds", "1", "--tune"]
        if args.no_tune or subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          check=False).returncode:
            return


def compare(name, args):
    words, ways, peer, peer_ways, mark, room = CASES[name]
    count = {"thrown_away": 0}
    if words == "picture":
        ours, theirs = picture_sides(peer, args)
    else:
        ours, theirs = bench_sides(words, ways, peer, peer_ways, args)
        tune(ours, args)
    ours.choose(args, count)
    theirs.choose(args, count)
    result = {"case": name, "what": words, "mark": mark, "left_out": {**ours.faults, **theirs.faults}}
    if ours.best is None or theirs.best is None:
        who = "limn" if ours.best is None else peer
        return {**result, "met": False, "error": f"{who} has no result"}
    try:
        for _ in range(args.rounds - 1):
            ours.again(args, count)
            theirs.again(args, count)
    except Failed as fault:
        return {**result, "met": False, "error": str(fault)}
    ratio = ours.median() / theirs.median()
    ratios = [a["median_ms"] / b["median_ms"] for a, b in zip(ours.results, theirs.results)]
    rss = max(r["rss_mib"] for r in ours.results)
    met = ratio <= mark and (room is None or rss < room)
    if words == "picture":
        met = met and ours.median() <= 1e3 * PICTURE_SECONDS
    return {**result, "met": met, "ratio": ratio, "ratio_min": min(ratios), "ratio_max": max(ratios),
            "limn": ours.best, "limn_ms": ours.median(), "limn_min_ms": min(r["min_ms"] for r in ours.results),
            "limn_rss_mib": rss, "mark_rss_mib": room, "peer": theirs.results[0].get("peer", peer),
            "peer_way": theirs.best, "peer_ms": theirs.median(),
            "peer_min_ms": min(r["min_ms"] for r in theirs.results),
            "peer_rss_mib": max(r["rss_mib"] for r in theirs.results), "rounds": args.rounds,
            "turns_thrown_away": count["thrown_away"]}


def show(r):
    if "error" in r:
        print(f"{r['case']:22} NOT MET: {r['error']}", flush=True)
        return
    room = f" of {r['mark_rss_mib']:.0f}" if r["mark_rss_mib"] else ""
    print(f"{r['case']:22} ratio {r['ratio']:.3f} [{r['ratio_min']:.3f}..{r['ratio_max']:.3f}], "
          f"mark {r['mark']:.2f}: {'met' if r['met'] else 'NOT MET'}\n"
          f"{'':22} limn {r['limn_ms']:.1f} ms, {r['limn_rss_mib']:.0f}{room} MiB ({r['limn'] or 'one process'})\n"
          f"{'':22} {r['peer']} {r['peer_ms']:.1f} ms, {r['peer_rss_mib']:.0f} MiB "
          f"({r['peer_way'] or 'one process'})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help="cases by name")
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--samples", type=int, default=0, help="samples in a turn (0: each side's own number)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limn", default=os.path.join(HERE, "..", "build", "limn"))
    parser.add_argument("--peers", default=os.environ.get("LIMN_PEERS", "/opt/limn-peers"))
    parser.add_argument("--set", dest="setting", action="append", default=[], metavar="--NAME=VALUE",
                        help="a setting that replaces the case's on both sides, as --set=--size=128")
    parser.add_argument("--no-tune", action="store_true", help="limn's choices as they are")
    parser.add_argument("--any-load", action="store_true", help="keep turns on a machine that is not quiet")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.list:
        for name, (words, ways, peer, peer_ways, mark, room) in CASES.items():
            print(f"{name:22} mark {mark:.2f}{f', {room:.0f} MiB' if room else ''}: {words} "
                  f"({', '.join(ways) or 'one process'}) against {peer} ({', '.join(peer_ways)})")
        return 0
    if not args.case and not args.all:
        parser.error("name cases (--list shows them), or --all")
    unknown = [name for name in args.case if name not in CASES]
    if unknown:
        sys.exit(f"compare: there is no case {unknown[0]}; --list names them")
    missed = []
    for name in args.case or CASES:
        result = compare(name, args)
        print(json.dumps(result), flush=True) if args.json else show(result)
        missed += [] if result["met"] else [name]
    if missed:
        print("compare: not met: " + ", ".join(missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
