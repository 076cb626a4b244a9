#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Models in and out, against PyTorch and onnxruntime.

    check_models.py import LIMN RUN_MODEL     checkpoints that PyTorch saves here, new and legacy form:
                                              `limn import`, run, compare with PyTorch's own output
    check_models.py translate LIMN            the same through files: `limn import`, `limn translate`
                                              of a PNG, compared with PyTorch's output as bytes: in
                                              fp32, and looser in bf16 on processors that have it
    check_models.py init LIMN                 `limn train --init` of what PyTorch saved: the weights that
                                              the training begins with, and its first loss
    check_models.py export LIMN RUN_MODEL     `limn export`, onnx's checker, and onnxruntime-node's
                                              output compared with limn's at two sizes and batch 2;
                                              `--check` with, without and with a wrong runtime

For every netG of pytorch-CycleGAN-and-pix2pix and CUT, batch and instance norm, with and without
dropout, 1 to 3 channels; and what older versions of those projects saved.  Weights are random and
scaled so that outputs fill [-1, 1]: a mix-up shows.  Needs Debian's python3-torch and python3-onnx;
onnxruntime is skipped where tools/setup_onnxruntime.sh has not put it.
"""
import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch

from torch_networks import critic, randomise, resnet, unet

PART, LIMN, *RUN_MODEL = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.environ.get("LIMN_ONNXRUNTIME") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "limn/onnxruntime")
ran = failed = skipped = 0


def report(name, fault):
    global ran, failed
    ran += 1
    if fault:
        failed += 1
        print(f"[  FAILED  ] {name}: {fault}")


class Case:
    def __init__(self, name, net, multiple, cin, settings=(), running=False, drop=False, sizes=None):
        self.name, self.net, self.cin, self.settings, self.running = name, net, cin, settings, running
        m = multiple
        self.sizes = sizes or ([(m, m), (m, 2 * m)] if m > 4 else [(32, 32), (24, 44)])


def cases():
    """Nothing is built before it is asked for."""
    some = 0
    for net, make in (("unet_128", lambda *a: unet(7, *a)), ("unet_256", lambda *a: unet(8, *a)),
                      ("resnet_6blocks", lambda *a: resnet(6, *a)),
                      ("resnet_9blocks", lambda *a: resnet(9, *a))):
        for norm in ("batch", "instance"):
            for drop in (False, True):
                for running in ((False, True) if norm == "batch" else (False,)):
                    cin, cout = ((3, 3), (1, 3), (3, 1), (2, 1))[some % 4]
                    some += 1
                    yield Case(f"{net} {norm} {'dropout ' if drop else ''}{cin}->{cout}{' --eval' if running else ''}",
                               make(3, norm, cin, cout, drop), int(net[5:]) if net[0] == "u" else 4, cin,
                               ("--eval",) if running else (), running)
    for down in (False, True):
        for up in (False, True):
            yield Case(f"CUT antialias {down} {up}", resnet(6, 3, "instance", 3, 3, False, "new", down, up), 4, 3)
    yield Case("CUT batch dropout", resnet(4, 4, "batch", 3, 3, True, "new", True, True), 4, 3)
    yield Case("no norm", resnet(4, 4, "none"), 4, 3)
    yield Case("no norm, unet_32", unet(5, 4, "none"), 32, 3)
    yield Case("stale statistics", resnet(6, 3, "instance", era="stale"), 4, 3)
    yield Case("2017 instance", resnet(6, 3, "instance", era="2017"), 4, 3, ("--norm", "instance"))
    yield Case("2017 batch dropout", resnet(6, 3, "batch", drop=True, era="2017"), 4, 3, ("--norm", "batch"))
    yield Case("2017 batch --eval", resnet(6, 3, "batch", era="2017"), 4, 3, ("--norm=batch", "--eval"), True)
    yield Case("2017 U-Net batch", unet(7, 3, "batch", era="2017"), 128, 3, ("--norm", "batch"))
    yield Case("2017 U-Net instance", unet(7, 3, "instance", era="2017"), 128, 3, ("--norm", "instance"))
    yield Case("resnet_9blocks ngf 64", resnet(9, 64, "instance"), 4, 3, sizes=[(32, 32), (24, 44)])
    yield Case("unet_256 ngf 64", unet(8, 64, "batch", drop=True), 256, 3, sizes=[(256, 256)])


def spread(net):
    """Weights whose size keeps that of what passes through."""
    for t in net.state_dict().values():
        if t.dim() == 4 and t.shape[1] > 1:
            fan = t.shape[1] * t.shape[2] * t.shape[3]
            t.mul_(1.4 / (.02 * fan ** .5))


def expected(net, x, running):
    """The project's test without --eval: training mode; here without the noise of dropout."""
    net.train(not running)
    for m in net.modules():
        if isinstance(m, torch.nn.Dropout):
            m.eval()
        if running and isinstance(m, torch.nn.InstanceNorm2d):
            m.train()
    with torch.no_grad():
        return net(x).numpy()


def limn(*words, **more):
    done = subprocess.run([LIMN, *words], capture_output=True, text=True, env=dict(os.environ, **more))
    return done.stdout, (done.stderr or f"exit code {done.returncode}") if done.returncode else None


def run_model(model, x, work):
    """(output, highest resident memory in MiB)"""
    x.tofile(f"{work}/in")
    n, _, h, w = x.shape
    done = subprocess.run([*RUN_MODEL, model, f"{work}/in", f"{work}/out", str(n), str(h), str(w)],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return np.fromfile(f"{work}/out", np.float32).reshape(n, -1, h, w), int(done.stdout) / 1024


def difference(got, want):
    if got.shape != want.shape:
        return f"shape {got.shape} and not {want.shape}"
    if want.std() < .03:
        return f"the outputs hardly differ (deviation {want.std():.3f}), so this would test nothing"
    off = np.abs(got - want)
    levels = np.abs(np.rint((got + 1) * 127.5) - np.rint((want + 1) * 127.5)).max()
    if not (off <= 1e-4 * (1 + np.abs(want))).all() or levels > 1:
        return f"off by {off.max():.2e}, {levels:.0f} levels of 255"
    return None


def picture(case, size, n, seed):
    make = torch.Generator().manual_seed(seed)
    return (torch.rand(n, case.cin, *size, generator=make) * 2 - 1).numpy()


def settle(case):
    """Running statistics like those of training, and not quite those of any picture."""
    for m in case.net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.momentum = .9
    expected(case.net, torch.from_numpy(picture(case, case.sizes[0], 2, 5)), False)


def build(case, seed, work):
    """Saves the case in both forms."""
    randomise(case.net, seed)
    spread(case.net)
    if case.running:
        settle(case)
    state = case.net.state_dict()
    torch.save(state, f"{work}/new_net_G.pth")
    if "ngf 64" not in case.name:
        torch.save(state, f"{work}/old_net_G.pth", _use_new_zipfile_serialization=False)


def check_import(case, work):
    model = f"{work}/model.safetensors"
    _, fault = limn("import", f"{work}/new_net_G.pth", "-o", model, *case.settings)
    if fault:
        return fault
    about, fault = limn("info", "--json", model)
    if fault:
        return fault
    about = json.loads(about)
    if not about["weights_intact"]:
        return "its weights are not what their digest says"
    norm = about["networks"]["G"]["norm_in_use"]
    if "batch" in norm and ("running" in norm) != case.running:
        return f"info says {norm}"
    if os.path.exists(f"{work}/old_net_G.pth"):
        _, fault = limn("import", f"{work}/old_net_G.pth", "-o", f"{work}/old.safetensors", *case.settings)
        if fault:
            return "legacy form: " + fault
        if json.loads(limn("info", "--json", f"{work}/old.safetensors")[0])["weights_sha256"] != about["weights_sha256"]:
            return "the legacy form gives other weights"
    for size in case.sizes:
        x = picture(case, size, 1, 7)
        want = expected(case.net, torch.from_numpy(x), case.running)
        got, mib = run_model(model, x, work)
        fault = difference(got, want)
        if fault:
            return f"{size[0]}x{size[1]}: {fault}"
        if mib > 320 and "unet_256 ngf 64" in case.name and os.environ.get("LIMN_SANITIZER", "none") == "none":
            return f"takes {mib:.0f} MiB; 320 are allowed"
    return None


def read_back(path):
    """The five lines of docs/models.md: PyTorch takes the model file as it is."""
    with open(path, "rb") as f:
        head = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    kinds = {"F32": torch.float32, "I64": torch.int64}
    return {k: torch.frombuffer(bytearray(data[slice(*v["data_offsets"])]), dtype=kinds[v["dtype"]]).reshape(v["shape"])
            for k, v in head.items() if k != "__metadata__"}


def run_import(work):
    for seed, case in enumerate(cases()):
        build(case, seed, work)
        report(case.name, check_import(case, work))
        if case.name.startswith(("unet_128 batch 3", "resnet_6blocks instance dropout")):
            state = {k: v.clone() for k, v in torch.load(f"{work}/new_net_G.pth").items()}
            loaded = read_back(f"{work}/model.safetensors")
            fresh = type(case.net)(case.net.model)
            fault = None
            try:
                fresh.load_state_dict(loaded)
            except RuntimeError as e:
                fault = str(e)
            if not fault and any(not torch.equal(state[k], loaded[k]) for k in state if "num_batches" not in k):
                fault = "other weights"
            report(case.name + " back in PyTorch", fault)
        for name in os.listdir(work):
            os.unlink(f"{work}/{name}")
    refusals(work)


def refusals(work):
    """A sentence, and no file."""
    state = randomise(unet(7, 2, "batch"), 1).state_dict()
    torch.save({"G": state, "D": state}, f"{work}/two.pth")
    torch.save({k: v for k, v in state.items() if "model.1.model.3." not in k}, f"{work}/part.pth")
    torch.save({k: v * float("nan") for k, v in state.items()}, f"{work}/nan.pth")
    torch.save(randomise(resnet(6, 2, "batch", era="2017"), 1).state_dict(), f"{work}/old.pth")
    torch.save({k: v for k, v in state.items() if ".running_" not in k and "num_batches" not in k}, f"{work}/bare.pth")
    with open(f"{work}/text.pth", "w") as f:
        f.write("<html>404</html>")
    for name, words, settings in (
            ("two", ("--part", "'G'", "'D'"), ()), ("part", ("part.pth",), ()), ("nan", ("not finite", "nan.pth"), ()),
            ("old", ("--norm batch",), ()), ("text", ("text.pth",), ()), ("absent", ("absent.pth",), ()),
            ("two", ("no part 'F'",), ("--part", "F")), ("two", ("unet_128", "resnet_9blocks"), ("--part=G", "--netG", "resnet_9blocks")),
            ("bare", ("--norm",), ()), ("two", ("AtoB",), ("--part=G", "--direction", "up")),
            ("two", ("--part",), ("--prat=G",)), ("two", ("one of",), ("--part=G", "--norm=btach"))):
        _, fault = limn("import", f"{work}/{name}.pth", "-o", f"{work}/out.safetensors", *settings)
        missing = [w for w in words if w not in (fault or "")]
        report(f"refuses {name} {' '.join(settings)}",
               missing and f"{missing} not in {fault}" or os.path.exists(f"{work}/out.safetensors") and "wrote a file")
    _, fault = limn("import", f"{work}/two.pth", "--part", "G", "-o", f"{work}/m.safetensors", "--title", "a\x1b[1mb")
    report("--part", fault)
    told, fault = limn("info", f"{work}/m.safetensors", f"{work}/two.pth", f"{work}/old.pth")
    report("info of three files", fault or "\x1b" in told and "an escape got through" or
           any(w not in told for w in ("unet_128", "--part", "--norm", "limn model", "trainedAlgorithmicMedia")) and told)
    _, fault = limn("import", f"{work}/m.safetensors", "-o", f"{work}/n.safetensors")
    report("a model is not imported", "already" not in (fault or "") and str(fault))


# ---- Through files -----------------------------------------------------------------------------

def file_cases():
    for net, make in (("unet_128", lambda *a: unet(7, *a)), ("unet_256", lambda *a: unet(8, *a)),
                      ("resnet_6blocks", lambda *a: resnet(6, *a)), ("resnet_9blocks", lambda *a: resnet(9, *a))):
        for norm, settings in (("batch", ()), ("batch", ("--eval",)), ("instance", ())):
            for cin, cout in ((3, 3), (1, 1)):
                yield Case(f"{net} {norm} {cin}->{cout} {' '.join(settings)}", make(4, norm, cin, cout),
                           int(net[5:]) if net[0] == "u" else 4, cin, settings, bool(settings),
                           sizes=None if net[0] == "u" else [(64, 96)])


def soft_picture(size, channels, seed):
    """Slow waves of colour, bytes."""
    r = np.random.default_rng(seed)
    y, x = np.mgrid[:size[0], :size[1]] / max(size)
    waves = [sum(r.uniform(.1, .3) * np.sin(2 * np.pi * (r.uniform(-1.5, 1.5) * y + r.uniform(-1.5, 1.5) * x + r.random()))
                 for _ in range(3)) for _ in range(channels)]
    return np.rint(np.clip(128 + 110 * np.stack(waves, -1), 0, 255)).astype(np.uint8)


def has_bf16():
    with open("/proc/cpuinfo") as f:
        return "avx512_bf16" in f.read() and not os.environ.get("LIMN_CPU")


# How many levels of 255 a picture may be off in the mean, and one value of it.  In fp32 that is rounding to
# bytes.  bf16 has 8 bits: measured were up to 0.34 and 5.  It takes maps of 32 channels, which only the
# U-Nets here have.
MOST = (("fp32", 1, 1),)
MOST_UNET = (*MOST, ("bf16", .5, 8)) if has_bf16() else MOST


def check_file(case, work):
    """A random network may make what the screen takes for something, or hardly anything: then another one."""
    from PIL import Image
    for seed in range(40):
        build(case, 100 + seed, work)
        given = soft_picture(case.sizes[0], case.cin, seed)
        Image.fromarray(given.squeeze()).save(f"{work}/in.png")
        x = torch.from_numpy(given).permute(2, 0, 1)[None].float() / 127.5 - 1
        want = expected(case.net, x, case.running)[0].transpose(1, 2, 0)
        want = np.rint(np.clip((want.astype(np.float64) + 1) * 127.5, 0, 255))
        if want.std() < 4:
            continue
        _, fault = limn("import", f"{work}/new_net_G.pth", "-o", f"{work}/model.safetensors", *case.settings)
        if fault:
            return fault
        for compute, mean, worst in MOST_UNET if case.name.startswith("unet") else MOST:
            done = subprocess.run([LIMN, "translate", f"{work}/model.safetensors", f"{work}/in.png", "-o", f"{work}/out/",
                                   "--compute", compute], capture_output=True, text=True)
            if done.returncode == 3:
                break
            if done.returncode:
                return done.stderr
            got = np.atleast_3d(np.asarray(Image.open(f"{work}/out/in.png"))).astype(float)
            if got.shape != want.shape:
                return f"shape {got.shape} and not {want.shape}"
            off = np.abs(got - want)
            if off.mean() > mean or off.max() > worst:
                return f"{compute}: {off.max():.0f} levels of 255 apart, {off.mean():.2f} in the mean"
        else:
            return None
    return "no network of forty makes anything to compare"


def run_translate(work):
    for case in file_cases():
        report(case.name, check_file(case, work))


# ---- Fine-tuning -------------------------------------------------------------------------------

def begin(work, init, *settings):
    """A training whose learning rate changes nothing: (what was said, first losses, its weights)."""
    done = subprocess.run([LIMN, "train", f"{work}/data", "--out", f"{work}/run", "--init", init, "--preprocess", "none",
                           "--no-flip", "--serial-batches", "--no-dropout", "--n-epochs", "1", "--n-epochs-decay", "0",
                           "--val-pictures", "0", "--sheet-pictures", "0", "--lr", "1e-9", "--pool-size", "0",
                           "--ndf", "3", "--max-dataset-size", "1", "--compute", "fp32", "--json", *settings], capture_output=True, text=True)
    if done.returncode:
        return done.stderr, None, None
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    weights = read_back(f"{work}/run/checkpoint.safetensors")
    shutil.rmtree(f"{work}/run")
    return (next(line["sentence"] for line in lines if line.get("event") == "init"),
            next(line for line in lines if line.get("step") == 1), weights)


def same(weights, network, state, but=()):
    if weights is None:
        return "it does not begin"
    for name, want in state.items():
        got = weights.get(f"{network}.{name}")
        if "running_" in name or "num_batches" in name or any(name.startswith(b) for b in but):
            continue
        if got is None or got.shape != want.shape or (got - want).abs().max() > 1e-6:
            return f"{network}.{name} is another"
    return None


def save_pairs(work):
    """Two pictures, A and B side by side; also as two folders."""
    from PIL import Image
    for folder in ("train", "trainA", "trainB"):
        os.makedirs(f"{work}/data/{folder}")
    first = None
    for i in range(2):
        a, b = soft_picture((128, 128), 3, 2 * i), soft_picture((128, 128), 3, 2 * i + 1)
        Image.fromarray(np.concatenate([a, b], 1)).save(f"{work}/data/train/{i}.png")
        Image.fromarray(a).save(f"{work}/data/trainA/{i}.png")
        Image.fromarray(b).save(f"{work}/data/trainB/{i}.png")
        first = first or (a, b)
    return [torch.from_numpy(v).permute(2, 0, 1)[None].float() / 127.5 - 1 for v in first]


def run_init(work):
    a, b = save_pairs(work)
    for name, net, cases in (
            ("resnet_6blocks", resnet(6, 3, "instance"), "instance"), ("unet_128", unet(7, 3, "batch"), "batch")):
        G, D = randomise(net, 1).state_dict(), randomise(critic(3, cases), 2).state_dict()
        words = ("--netG", name, "--ngf", "3", "--norm", cases)
        torch.save(G, f"{work}/G.pth")
        torch.save(D, f"{work}/D.pth", _use_new_zipfile_serialization=False)
        torch.save({"netG": {"module." + k: v for k, v in G.items()}, "netD": D}, f"{work}/both.pth")
        for part in "GD":
            limn("import", f"{work}/{part}.pth", "-o", f"{work}/{part}.safetensors")
        wanted = 100 * np.abs(expected(net, a, False) - b.numpy()).mean()
        for init, parts in (("G.pth", "G"), ("D.pth", "D"), ("G.pth,D.pth", "GD"), ("both.pth", "GD"),
                            ("G.safetensors", "G"), ("D.safetensors,G.safetensors", "GD")):
            said, losses, weights = begin(work, ",".join(f"{work}/{i}" for i in init.split(",")), *words)
            fault = losses is None and said
            for part, state in (("G", G), ("D", D)):
                is_other = same(weights, part, state)
                fault = fault or (is_other if part in parts else not is_other and f"{part} was not asked for")
            if not fault and "G" in parts and abs(losses["G_L1"] - wanted) > 1e-3 * wanted:
                fault = f"the first G_L1 is {losses['G_L1']} and not {wanted}"
            report(f"{name} from {init}", fault or ("start anew" in said) != (len(parts) == 1) and said)
    torch.save(randomise(resnet(6, 3, "instance"), 4).state_dict(), f"{work}/G.pth")
    torch.save({k: v * float("nan") for k, v in D.items()}, f"{work}/nan.pth")
    init_channels(work)
    init_cycle(work)
    for init, settings, want in (("G.pth", (), "--netG resnet_6blocks --ngf 3 --norm instance"),
                                 ("G.pth", ("--netG", "resnet_9blocks", "--ngf", "3", "--norm", "instance"), "--netG resnet_6blocks"),
                                 ("D.pth", ("--netD", "n_layers", "--n-layers-D", "2"), "--netD basic"),
                                 ("nan.pth", (), "not finite"), ("data/train/0.png", (), "0.png"), ("none.pth", (), "none.pth"), ("D.pth,none.pth", ("--norm", "instance"), "none.pth")):
        said, losses, _ = begin(work, ",".join(f"{work}/{i}" for i in init.split(",")), *settings)
        report(f"refuses {init} {' '.join(settings)}", losses is not None and "it begins" or want not in said and said)


def init_channels(work):
    """The rules of docs/models.md, by hand."""
    words = ("--netG", "resnet_6blocks", "--ngf", "3", "--norm", "instance")
    critics = randomise(critic(3, "instance"), 3).state_dict()
    torch.save(critics, f"{work}/D.pth")
    for had, has, inward, outward, tells in (
            ((3, 3), (1, 3), lambda w: w.sum(1, keepdim=True), None, "3 input channels became 1: added up"),
            ((1, 3), (3, 3), lambda w: w.repeat(1, 3, 1, 1) / 3, None, "1 input channels became 3: shared out"),
            ((3, 3), (3, 1), None, lambda w: w.mean(0, keepdim=True), "3 output channels became 1: averaged"),
            ((3, 1), (3, 3), None, lambda w: torch.cat([w] * 3), "1 output channels became 3: repeated"),
            ((4, 3), (3, 3), lambda w: w[:, :3], None, "4 input channels became 3: the first"),
            ((2, 3), (3, 3), lambda w: torch.cat([w, 0 * w[:, :1]], 1), None, "the others begin at 0")):
        G = randomise(resnet(6, 3, "instance", *had), 5).state_dict()
        torch.save(G, f"{work}/other.pth")
        said, losses, weights = begin(work, f"{work}/other.pth,{work}/D.pth", *words, "--input-nc", str(has[0]),
                                      "--output-nc", str(has[1]))
        want = {k: v.clone() for k, v in G.items()}
        for name in list(want):
            if inward and name == "model.1.weight":
                want[name] = inward(want[name])
            if outward and name.startswith(f"model.{max(int(k.split('.')[1]) for k in G)}."):
                want[name] = outward(want[name])
        other = sum(has) != 6
        fault = same(weights, "G", want) or same(weights, "D", critics, ("model.0.weight",) if other else ())
        report(f"channels {had} to {has}", losses is None and said or fault or tells not in said and said or
               ("first layer is drawn anew" in said) != other and said)


def init_cycle(work):
    G = {k: randomise(resnet(6, 3, "instance"), 6 + i).state_dict() for i, k in enumerate(("G_A", "G_B"))}
    for name, state in G.items():
        torch.save(state, f"{work}/{name}.pth")
    words = ("--model", "cycle_gan", "--netG", "resnet_6blocks", "--ngf", "3", "--norm", "instance")
    said, losses, weights = begin(work, f"{work}/G_A.pth", *words)
    report("one generator for CycleGAN", losses is None and said or same(weights, "G_A", G["G_A"]) or
           not same(weights, "G_B", G["G_A"]) and "G_B was not asked for")
    said, losses, weights = begin(work, f"{work}/G_A.pth,{work}/G_B.pth", *words)
    report("two generators for CycleGAN", losses is None and said or same(weights, "G_A", G["G_A"]) or same(weights, "G_B", G["G_B"]))


# ---- Out ---------------------------------------------------------------------------------------

def check_onnx(path, case):
    import onnx
    m = onnx.load(path)
    onnx.checker.check_model(m, full_check=True)
    texts = {p.key: p.value for p in m.metadata_props}
    dims = [d.dim_param or d.dim_value for d in m.graph.input[0].type.tensor_type.shape.dim]
    wrong = [w for w in (
        m.opset_import[0].version == 17 or "opset", m.ir_version == 8 or "ir", m.graph.input[0].name == "input" or "input",
        m.graph.output[0].name == "output" or "output", dims == ["batch", case.cin, "height", "width"] or f"dims {dims}",
        texts.get("limn.source_type", "").endswith("trainedAlgorithmicMedia") or "source type", "trained" in m.doc_string or "notice",
        "limn.network.G.net" in texts or "card", not any(n.op_type == "Dropout" for n in m.graph.node) or "dropout")
        if w is not True]
    return wrong and f"wrong: {wrong}" or None


def check_checks(work, runtime):
    """`limn export --check` as it says it: with the runtime, with none, with one that is wrong or broken."""
    os.makedirs(f"{work}/bin")
    torch.save(randomise(resnet(6, 3, "instance", 1, 3), 1).state_dict(), f"{work}/new_net_G.pth")
    limn("import", f"{work}/new_net_G.pth", "-o", f"{work}/model.safetensors")
    words = ("export", f"{work}/model.safetensors", "--check", "-o", f"{work}/a b';$x.onnx")
    if runtime:
        told, fault = limn(*words)
        report("--check", fault or (told.count("agrees") != 2 or "batch 2" not in told) and told)
    _, fault = limn(*words, PATH=f"{work}/bin")
    report("--check without a runtime", not all(w in (fault or "") for w in ("no runtime", "npm", "pip install onnxruntime"))
           and str(fault) or not os.path.exists(words[-1]) and "the file is gone")
    os.symlink("/usr/bin/python3", f"{work}/bin/python3")
    for name, body, want in (("wrong", "numpy.zeros((x.shape[0], 3) + x.shape[2:])", "differ by"),
                             ("short", "numpy.zeros(5)", "gave 5 numbers"), ("broken", "1 / 0", "could not run"),
                             ("not finite", "numpy.full((x.shape[0], 3) + x.shape[2:], numpy.nan)", "differ by")):
        with open(f"{work}/bin/onnxruntime.py", "w") as f:
            f.write("import numpy\nclass InferenceSession:\n    def __init__(s, model, providers): open(model).close()\n"
                    f"    def run(s, names, feed): x = feed['input']; return [numpy.asarray({body})]\n")
        _, fault = limn(*words, PATH=f"{work}/bin", PYTHONPATH=f"{work}/bin", PYTHONDONTWRITEBYTECODE="1",
                        LIMN_ONNXRUNTIME=f"{work}/none", TMPDIR=work)
        report(f"--check with a {name} runtime", want not in (fault or "") and str(fault))
    check_info(work, words[-1])
    report("--check cleans up", any(n.startswith("limn-check") for n in os.listdir(work)) and "a folder is left")


def check_info(work, path):
    """`limn info` of an exported file, of another's, and of broken ones."""
    import onnx
    told, fault = limn("info", path)
    report("info of an exported file", fault or any(
        w not in told for w in ("ONNX, exported by limn", "opset                17", "resnet_6blocks", "onnxruntime")) and told)
    about, fault = limn("info", "--json", path)
    report("info --json of it", fault or json.loads(about)["metadata"]["limn.network.G.net"] != "resnet_6blocks" and about)
    model = onnx.load(path)
    del model.metadata_props[:]
    model.producer_name = "other\x1b[1m"
    onnx.save(model, f"{work}/other.onnx")
    told, fault = limn("info", f"{work}/other.onnx")
    report("info of another's", fault or ("does not read it" not in told or "\x1b" in told) and told)
    for command in (("translate", f"{work}/other.onnx", f"{work}/other.onnx", "-o", f"{work}/x.png"),
                    ("import", f"{work}/other.onnx", "-o", f"{work}/x.safetensors")):
        _, fault = limn(*command)
        report(f"{command[0]} of ONNX", "limn export" not in (fault or "") and str(fault))
    with open(path, "rb") as f:
        whole = f.read()
    for name, data in (("cut", whole[:-3]), ("cut short", whole[:9]), ("one byte", whole[:1]),
                       ("a length beyond", b"\x08\x08\x3a" + b"\xff" * 9 + b"\x01"), ("a number without end", b"\x08" + b"\xff" * 20),
                       ("a message inside that is broken", b"\x08\x08\x42\x02\x12\x7f\x3a\x00")):
        with open(f"{work}/broken.onnx", "wb") as f:
            f.write(data)
        _, fault = limn("info", f"{work}/broken.onnx")
        report(f"info of a broken file: {name}", not (fault or "").startswith("limn: ") and str(fault))


def export_run(work, model, exported):
    """The folder of a run stands for its best model."""
    os.mkdir(f"{work}/run")
    shutil.copy(model, f"{work}/run/best.safetensors")
    with open(f"{work}/run/latest.safetensors", "wb") as file:
        file.write(b"not to be read")
    _, fault = limn("export", f"{work}/run", "-o", f"{work}/run.onnx")
    if not fault and not filecmp.cmp(exported, f"{work}/run.onnx", shallow=False):
        fault = "another file than from its best model"
    report("export of a run's folder", fault)


def run_export(work):
    global skipped
    jobs, wanted = [], []
    runtime = os.path.isdir(f"{FOLDER}/node_modules/onnxruntime-node")
    check_checks(work, runtime)
    for seed, case in enumerate(cases()):
        model, out = f"{work}/model.safetensors", f"{work}/{seed}.onnx"
        build(case, seed, work)
        _, fault = limn("import", f"{work}/new_net_G.pth", "-o", model, *case.settings)
        if not fault:
            _, fault = limn("export", model, "-o", out)
        report(case.name, fault or check_onnx(out, case))
        if fault:
            continue
        if seed == 0:
            export_run(work, model, out)
        for k, (size, n) in enumerate([(s, 1) for s in case.sizes] + [(case.sizes[0], 2)]):
            x = picture(case, size, n, 11 + k)
            want, _ = run_model(model, x, work)
            x.tofile(f"{work}/{seed}.{k}.in")
            jobs.append([out, f"{work}/{seed}.{k}.in", f"{work}/{seed}.{k}.out", n, case.cin, *size])
            wanted.append((f"{case.name}, {n}x{size[0]}x{size[1]}", want))
    if not runtime:
        skipped = len(jobs)
        print(f"onnxruntime-node is not in {FOLDER}: {skipped} comparisons skipped (tools/setup_onnxruntime.sh)")
        return
    with open(f"{work}/jobs", "w") as f:
        json.dump(jobs, f)
    for last in False, True:  # it has died without a word, once in many runs, and is not what is tested
        done = subprocess.run(["node", f"{HERE}/run_onnx.mjs", FOLDER, f"{work}/jobs"], capture_output=True, text=True)
        shapes = done.stdout.splitlines()
        if not done.returncode and len(shapes) == len(jobs):
            break
        fault = f"onnxruntime ended with {done.returncode} after {len(shapes)} of {len(jobs)}: {done.stderr[-400:]}"
        print(fault)
        if last:
            report("onnxruntime", fault)
            return
    for (name, want), job, shape in zip(wanted, jobs, shapes):
        got = np.fromfile(job[2], np.float32).reshape([int(s) for s in shape.split()])
        report(name, difference(got, want))


torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    {"import": run_import, "translate": run_translate, "init": run_init, "export": run_export}[PART](folder)
print(f"[==========] {ran + skipped} test(s) run.")
print(f"[  PASSED  ] {ran - failed} test(s).")
if skipped:
    print(f"[  SKIPPED ] {skipped} test(s).")
sys.exit(failed > 0 or ran == 0)
