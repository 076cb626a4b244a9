# SPDX-License-Identifier: Apache-2.0
"""What every peer shares: its settings (the same words as `limn bench`), timing, the line it prints."""
import argparse
import json
import resource
import statistics
import time


def settings(description, kinds, precisions):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("--net", default=None, help="generator; by default that of the recipe")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--ndf", type=int, default=64)
    parser.add_argument("--norm", choices=["batch", "instance"], default=None)
    parser.add_argument("--compute", choices=precisions, default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10, help="samples taken")
    parser.add_argument("--warm", type=int, default=2, help="calls before the first sample")
    return parser


def complete(args):
    """Fills in what depends on the recipe or the network."""
    if args.net is None:
        args.net = "resnet_9blocks" if args.kind == "cycle_gan" else "unet_256"
    if args.norm is None:
        args.norm = "instance" if args.net.startswith("resnet") else "batch"
    return args


def measure(call, rounds, warm):
    for _ in range(warm):
        call()
    samples = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        samples.append((time.perf_counter() - begin) * 1e3)
    return samples


def report(samples, **what):
    """rss_mib is the most that the process ever held, as `limn bench` reports it."""
    print(json.dumps({
        **what,
        "median_ms": round(statistics.median(samples), 3),
        "min_ms": round(min(samples), 3),
        "max_ms": round(max(samples), 3),
        "rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }), flush=True)
