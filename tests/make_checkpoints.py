#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes checkpoints with PyTorch for test_checkpoint.c and test_deduce.c: good ones, and hostile ones by hand.

    /usr/bin/python3 make_checkpoints.py OUT_DIR [KIND...]     (Debian: apt-get install python3-torch)

KIND: tensors, networks, hostile; all when it is left out.

  good/NAME.pth          written by torch.save
  good/NAME.safetensors  the same tensors, written here with struct and json: what a reader must find
  good/NAME.want         for networks: what must be deduced, as key=value words
  bad/NAME.pth           must be refused
  bad/NAME.want          words that must stand in the refusal, one a line
"""
import io
import json
import os
import pickle
import struct
import sys
import warnings
import zipfile
import zlib
from collections import OrderedDict

import torch

from torch_networks import Pixel, critic, randomise, resnet, unet

OUT = sys.argv[1]
TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
         torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
         torch.uint8: "U8", torch.bool: "BOOL"}


def write(path, data):
    with open(os.path.join(OUT, path), "wb") as f:
        f.write(data)


# ---- good ones ---------------------------------------------------------------------------------

def flat(value, path=""):
    """The tensors in nested dictionaries, lists and tuples, by their keys joined by dots."""
    if isinstance(value, torch.Tensor):
        yield path or "tensor", value.detach()
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from flat(v, f"{path}.{k}" if path else str(k))
    elif isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            yield from flat(v, f"{path}.{i}" if path else str(i))


def raw(t):
    t = t.contiguous()
    return (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy().tobytes()


def twin(name, value):
    head, blobs, at = {}, [], 0
    for k, t in flat(value):
        data = raw(t)
        head[k] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(data)]}
        blobs.append(data)
        at += len(data)
    h = json.dumps(head).encode()
    h += b" " * (-len(h) % 8)
    write(f"good/{name}.safetensors", struct.pack("<Q", len(h)) + h + b"".join(blobs))


def good(name, value, want=None, both=True):
    for legacy in (False, True) if both else (False,):
        n = name + ("_legacy" if legacy else "")
        torch.save(value, os.path.join(OUT, f"good/{n}.pth"), _use_new_zipfile_serialization=not legacy)
        twin(n, value)
        if want:
            write(f"good/{n}.want", want.encode())


def networks():
    seed = 0

    def net(name, n, want, change=lambda s: s, both=False):
        nonlocal seed
        seed += 1
        good(name, change(randomise(n, seed).state_dict()), want, both)

    for downs, size in ((5, 32), (7, 128), (8, 256), (9, 512)):
        for kind in ("batch", "instance", "none"):
            drop = downs % 2 == 0
            net(f"unet_{size}_{kind}", unet(downs, 2, kind, 3, 3, drop),
                f"network=unet_{size} downs={downs} filters=2 input_nc=3 output_nc=3 norm={kind} dropout=-1 "
                f"statistics={int(kind == 'batch')}", both=downs == 7)
    net("unet_channels", unet(7, 3, "batch", 1, 2), "network=unet_128 input_nc=1 output_nc=2 filters=3 norm=batch")
    for blocks in (6, 9, 4):
        for kind in ("batch", "instance", "none"):
            for drop in (False, True):
                net(f"resnet_{blocks}_{kind}_{'drop' if drop else 'plain'}", resnet(blocks, 2, kind, 3, 1, drop),
                    f"network=resnet_{blocks}blocks blocks={blocks} filters=2 input_nc=3 output_nc=1 norm={kind} "
                    f"dropout={int(drop)} antialias=0 antialias_up=0 padding=reflect stale=0 affine={int(kind == 'batch')}",
                    both=blocks == 6)
    for down in (False, True):
        for up in (False, True):
            net(f"cut_{int(down)}{int(up)}", resnet(9, 2, "instance", 3, 3, False, "new", down, up),
                f"network=resnet_9blocks blocks=9 norm=instance antialias={int(down)} antialias_up={int(up)} dropout=0")
    net("stale_resnet", resnet(9, 2, "instance", era="stale"), "network=resnet_9blocks norm=instance stale=1 statistics=0", both=True)
    net("stale_unet", unet(8, 2, "instance", era="stale"), "network=unet_256 norm=instance stale=1 statistics=0")
    net("old_resnet_instance", resnet(6, 2, "instance", era="2017"),
        "ask=norm give=instance network=resnet_6blocks norm=instance stale=1 affine=1 padding=zero dropout=0 input_nc=3")
    net("old_resnet_batch_drop", resnet(6, 2, "batch", drop=True, era="2017"),
        "ask=norm give=batch network=resnet_6blocks norm=batch stale=0 padding=zero dropout=1 statistics=1 affine=1")
    net("old_unet_batch", unet(8, 2, "batch", era="2017"), "ask=norm give=batch network=unet_256 norm=batch statistics=1")
    for layers in (1, 2, 3, 5):
        for kind in ("batch", "instance", "none"):
            for anti in (False, True):
                net(f"critic_{layers}_{kind}_{int(anti)}", critic(2, kind, 6, layers, antialias=anti),
                    f"network={'basic' if layers == 3 else 'n_layers'} layers={layers} filters=2 input_nc=6 "
                    f"output_nc=1 norm={kind} antialias={int(anti)}")
    for kind in ("batch", "instance", "none"):
        net(f"pixel_{kind}", Pixel(4, kind, 3), f"network=pixel filters=4 input_nc=3 norm={kind}")
    net("stale_critic", critic(4, "instance", 3, era="stale"), "network=basic norm=instance stale=1")

    def prefix(p):
        return lambda s: OrderedDict((p + k, v) for k, v in s.items())

    six = "network=resnet_6blocks norm=instance input_nc=3"
    net("prefix_module", resnet(6, 2, "instance"), six, prefix("module."), both=True)
    net("prefix_twice", resnet(6, 2, "instance"), six, prefix("module.module."))
    net("prefix_compiled", unet(7, 2, "batch"), "network=unet_128 norm=batch", prefix("_orig_mod.module."))
    net("prefix_net", unet(7, 2, "batch"), "network=unet_128 norm=batch", prefix("netG."))
    net("nested", resnet(6, 2, "instance"), six, lambda s: {"state_dict": s, "epoch": 3, "loss": [.5, .25], "note": "x",
        "best": None, "lr": 2e-4, "done": False, "big": 1 << 80, "size": torch.Size([3, 4]), "dtype": torch.float32})
    net("nested_model", unet(7, 2, "batch"), "network=unet_128", lambda s: {"model": prefix("module.")(s), "args": {"a": {"b": [1, (2, "c")]}}})
    net("two_networks", resnet(6, 2, "instance"), "ask=part part=G_B " + six, lambda s: {
        "G_A": s, "G_B": s, "D": critic(2, "batch").state_dict(),
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3), "step": torch.tensor(5.)}}, "param_groups": [{"lr": 1.}]}})
    net("half", resnet(6, 2, "batch"), "network=resnet_6blocks norm=batch", lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()}, both=True)
    net("not_known", torch.nn.Sequential(torch.nn.Linear(3, 4)), "ask=network")
    net("foreign", randomise_named({"model.1.weight": (2, 3, 7, 7), "model.1.bias": (2,), "model.4.weight": (4, 2, 5, 5)}), "ask=network")
    wrong = resnet(6, 2, "instance").state_dict()
    wrong["model.7.weight"] = torch.zeros(8, 4, 3, 5)
    net("wrong_shape", Holder(wrong), "ask=network")
    missing = resnet(6, 2, "instance").state_dict()
    del missing["model.12.conv_block.5.bias"]
    net("missing", Holder(missing), "ask=network")
    more = unet(7, 2, "batch").state_dict()
    more["model.model.9.weight"] = torch.zeros(3)
    net("more", Holder(more), "ask=network")
    blurred = resnet(9, 2, "instance", antialias=True, antialias_up=True).state_dict()
    blurred["model.7.filt"][:] = 1. / 9
    net("other_filter", Holder(blurred), "ask=network")
    cut = resnet(9, 2, "instance", antialias=True, antialias_up=True)
    net("cut_no_filters", cut, "network=resnet_9blocks antialias=1 antialias_up=1", lambda s: {k: v for k, v in s.items() if not k.endswith("filt")})


class Holder:
    """Looks like a module with that state_dict."""

    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state


def randomise_named(shapes):
    return Holder({k: torch.zeros(s) for k, s in shapes.items()})


def tensors():
    make = torch.Generator().manual_seed(7)
    r = lambda *s: torch.randn(*s, generator=make)
    whole = lambda dtype, *s: torch.randint(0, 100, s, generator=make).to(dtype)
    good("types", {str(d).split(".")[1]: r(3, 5).to(d) for d in (torch.float32, torch.float16, torch.bfloat16, torch.float64)} |
         {str(d).split(".")[1]: whole(d, 4, 3) - (50 if d != torch.uint8 else 0) for d in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)} |
         {"bool": r(9) > 0, "scalar": torch.tensor(3.5), "empty": torch.zeros(0, 4), "tracked": torch.tensor(7)})
    base = r(6, 7, 8)
    good("views", {"whole": base, "t": base.t() if base.dim() == 2 else base.permute(2, 0, 1), "cut": base[1:5:2, ::3, 2:7],
                   "row": base[3], "one": base[2, 3, 4], "column": base[:, 1, 1], "expand": r(4, 1).expand(4, 9),
                   "expand_all": torch.tensor(2.5).expand(3, 4, 5), "overlap": torch.as_strided(base, (5, 6), (1, 2), 3),
                   "bool_t": (r(3, 4) > 0).t(), "half_t": r(5, 300).half().t(), "bf_t": r(5, 3).bfloat16().t(),
                   "long_t": whole(torch.int64, 3, 4).t(), "double_cut": r(9, 9).double()[::2, 1::3],
                   "channels_last": r(2, 3, 4, 5).contiguous(memory_format=torch.channels_last), "none_of_it": base[:0, 2:3]})
    good("parameter", {"p": torch.nn.Parameter(r(3, 4)), "q": torch.nn.Parameter(r(4, 3).t(), requires_grad=False)})
    good("bare_tensor", r(3, 4))
    good("in_a_list", [r(2), {"a": (r(3), 5, "x")}, None])
    good("unicode", {"größe.重み": r(2, 2)})
    big = OrderedDict((f"layer{i}.weight", r(3)) for i in range(700))  # more than 256 memo slots
    good("many", big)
    # as protocol 4 would be written
    torch.save({"a": r(2, 3)}, os.path.join(OUT, "good/protocol4.pth"), pickle_protocol=4)
    twin("protocol4", torch.load(os.path.join(OUT, "good/protocol4.pth")))
    # as Python 2 and PyTorch 0.3 wrote: byte strings, OrderedDict of pairs, _rebuild_tensor, a view
    a = torch.arange(12.)
    twin("python2", OrderedDict([("w", a[2:8].reshape(2, 3)), ("v", a[5:8])]))
    S = lambda s: b"U" + bytes([len(s)]) + s.encode()
    G = lambda m, n: b"c" + m.encode() + b"\n" + n.encode() + b"\n"
    pid = lambda view: b"(" + S("storage") + G("torch", "FloatStorage") + S("key1") + S("cpu") + b"K\x0c" + view + b"tQ"
    rebuild = lambda view, off, sizes, strides: G("torch._utils", "_rebuild_tensor") + b"(" + pid(view) + b"K" + bytes([off]) + sizes + strides + b"tR"
    obj = (b"\x80\x02" + G("collections", "OrderedDict") + b"](](" + S("w") + rebuild(b"N", 2, b"K\x02K\x03\x86", b"K\x03K\x01\x86") +
           b"e](" + S("v") + rebuild(b"(" + S("view1") + b"K\x04K\x06t", 1, b"K\x03\x85", b"K\x01\x85") + b"ee\x85R.")
    write("good/python2.pth", legacy(obj, ["key1"], [(12, a.numpy().tobytes())]))
    # untyped storage and _rebuild_tensor_v3, as PyTorch 2 writes for types without a storage class
    v3 = (b"\x80\x02}X\x01\x00\x00\x00a" + G("torch._utils", "_rebuild_tensor_v3") + b"((X\x07\x00\x00\x00storage" +
          G("torch.storage", "UntypedStorage") + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x30tQK\x02K\x02K\x03\x86K\x03K\x01\x86\x89" +
          G("collections", "OrderedDict") + b")R" + G("torch", "float32") + b"tRs.")
    write("good/untyped.pth", zipped({"data.pkl": v3, "data/0": a.numpy().tobytes()}))
    twin("untyped", {"a": a[2:8].reshape(2, 3)})
    # highest byte first
    write("good/big_endian.pth", zipped({"data.pkl": one_tensor(12), "byteorder": b"big", "data/0": a.numpy().astype(">f4").tobytes()}))
    twin("big_endian", {"a": a})
    write("good/no_checksums.pth", zipped({"data.pkl": one_tensor(12), "data/0": a.numpy().tobytes()}, crc=lambda d: 0))
    twin("no_checksums", {"a": a})
    write("good/zip64.pth", zipped({"data.pkl": one_tensor(12), "data/0": a.numpy().tobytes()}, zip64=True))
    twin("zip64", {"a": a})
    write("good/no_folder.pth", zipped({"data.pkl": one_tensor(12), "data/0": a.numpy().tobytes()}, folder=""))
    twin("no_folder", {"a": a})


# ---- the two forms, by hand --------------------------------------------------------------------

def zipped(entries, folder="archive/", crc=zlib.crc32, zip64=False, flags=0, method=0, claim=None, entries_claim=None):
    """A zip archive of stored entries.  claim: {name: size} written into the table of contents."""
    body, table = b"", b""
    items = list(entries.items()) if isinstance(entries, dict) else entries
    for name, data in items:
        n = name[1:].encode() if name.startswith("=") else (folder + name).encode()
        at, size = len(body), (claim or {}).get(name, len(data))
        body += struct.pack("<IHHHHHIIIHH", 0x04034b50, 45, flags, method, 0, 0, crc(data), len(data), len(data), len(n), 0) + n + data
        big = zip64 or size > 0xfffffffe
        extra = struct.pack("<HHQQQ", 1, 24, size, size, at) if big else b""
        small = [0xffffffff] * 3 if big else [size, size, at]
        table += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 45, 45, flags, method, 0, 0, crc(data), small[0], small[1],
                             len(n), len(extra), 0, 0, 0, 0, small[2]) + n + extra
    n, at = entries_claim or len(items), len(body)
    out = body + table
    if zip64:
        out += struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, n, n, len(table), at)
        out += struct.pack("<IIQI", 0x07064b50, 0, at + len(table), 1)
        n, at, size = 0xffff, 0xffffffff, 0xffffffff
    else:
        size = len(table)
    return out + struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, n & 0xffff, n & 0xffff, size, at, 0)


def legacy(obj, keys, storages, revision=1001):
    p = lambda v: pickle.dumps(v, 2)
    out = p(0x1950a86a20f9469cfc6c) + p(revision) + p({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}})
    return out + obj + p(keys) + b"".join(struct.pack("<Q", n) + d for n, d in storages)


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return b"X" + struct.pack("<I", len(s)) + s


def name_of(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def long1(n):
    if n < 0 or n >= 1 << 31:
        b = n.to_bytes(9, "little", signed=True)
        while len(b) > 1 and ((b[-1] == 0 and b[-2] < 128) or (b[-1] == 255 and b[-2] > 127)):
            b = b[:-1]
        return b"\x8a" + bytes([len(b)]) + b
    return b"J" + struct.pack("<i", n)


def whole_tuple(v):
    return b"(" + b"".join(long1(i) for i in v) + b"t"


def call(elements, sizes=None, strides=(1,), offset=0, storage="FloatStorage", key="0", module="torch"):
    sizes = (elements,) if sizes is None else sizes
    pid = b"(" + text("storage") + name_of(module, storage) + text(key) + text("cpu") + long1(elements) + b"tQ"
    return (name_of("torch._utils", "_rebuild_tensor_v2") + b"(" + pid + long1(offset) + whole_tuple(sizes) + whole_tuple(strides) +
            b"\x89" + name_of("collections", "OrderedDict") + b")RtR")


def one_tensor(elements, sizes=None, strides=(1,), offset=0, name="a", **kw):
    return b"\x80\x02}" + text(name) + call(elements, sizes, strides, offset, **kw) + b"s."


# ---- hostile ones ------------------------------------------------------------------------------

def bad(name, data, *want):
    write(f"bad/{name}.pth", data)
    write(f"bad/{name}.want", "\n".join(want).encode())


class Call:
    def __init__(self, f, *a):
        self.f, self.a = f, a

    def __reduce__(self):
        return self.f, self.a


def hostile():
    twelve = bytes(48)
    archive = lambda pkl, data=twelve, **kw: zipped({"data.pkl": pkl, "data/0": data}, **kw)
    code = {
        "os_system": (pickle.dumps(Call(os.system, "touch owned"), 2), "posix.system"),
        "os_system_in_dict": (pickle.dumps({"state_dict": OrderedDict(a=Call(os.system, "touch owned"))}, 2), "posix.system"),
        "builtins_eval": (b"\x80\x02cbuiltins\neval\n" + text("1") + b"\x85R.", "builtins.eval"),
        "builtin_exec": (b"\x80\x02c__builtin__\nexec\n" + text("1") + b"\x85R.", "__builtin__.exec"),
        "stack_global": (pickle.dumps(Call(os.system, "touch owned"), 4), "posix.system"),
        "stack_global_plain": (b"\x80\x02" + text("os") + text("system") + b"\x93" + text("touch owned") + b"\x85R.", "os.system"),
        "dotted_global": (b"\x80\x02ctorch\nserialization.os.system\n" + text("touch owned") + b"\x85R.", "torch.serialization.os.system"),
        "load_from_bytes": (b"\x80\x02ctorch.storage\n_load_from_bytes\n" + text("x") + b"\x85R.", "torch.storage._load_from_bytes"),
        "nested_global": (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(csubprocess\nPopen\n" + text("x") + b"\x85RtR.", "subprocess.Popen"),
        "getattr": (b"\x80\x02c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        "whole_module": (pickle.dumps(torch.nn.ReLU(), 2), "torch.nn.modules.activation.ReLU"),
        "numpy_scalar": (b"\x80\x02cnumpy.core.multiarray\nscalar\n.", "numpy.core.multiarray.scalar"),
        "reduce_storage": (b"\x80\x02ctorch\nFloatStorage\nK\x05\x85R.", "REDUCE", "torch.FloatStorage"),
        "reduce_dict": (b"\x80\x02})R.", "REDUCE"),
        "reduce_text": (b"\x80\x02" + text("os.system") + b")R.", "REDUCE"),
        "reduce_no_tuple": (b"\x80\x02ccollections\nOrderedDict\n}R.", "REDUCE"),
        "inst": (b"(S'x'\nios\nsystem\n.", "STRING"),
        "inst_plain": (b"\x80\x02(ios\nsystem\n.", "INST"),
        "obj": (b"\x80\x02(co\n", "cut off"),
        "obj_plain": (b"\x80\x02(ccollections\nOrderedDict\no.", "OBJ"),
        "newobj": (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        "ext1": (b"\x80\x02\x82\x01.", "EXT1"),
        "persid": (b"\x80\x02Ppath\n.", "PERSID"),
        "dup": (b"\x80\x02K\x012.", "DUP"),
        "no_opcode": (b"\x80\x02\xff.", "0xff"),
        "build_tensor": (b"\x80\x02" + call(12) + b"}b.", "BUILD"),
        "build_none": (b"\x80\x02N}b.", "BUILD"),
        "protocol9": (b"\x80\x09N.", "protocol"),
        "memo_slot": (b"\x80\x02Nr" + struct.pack("<I", 0xfffffff0) + b".", "memo slot"),
        "memo_empty": (b"\x80\x02h\x07.", "memo"),
        "underflow": (b"\x80\x02\x86.", "stack"),
        "mark_underflow": (b"\x80\x02K\x01(\x85t.", "stack"),
        "no_mark": (b"\x80\x02K\x01t.", "MARK"),
        "left_over": (b"\x80\x02NN.", "left-over"),
        "append_to_dict": (b"\x80\x02}Na.", "neither list"),
        "odd_items": (b"\x80\x02}(Nu.", "key"),
        "laughs": (b"\x80\x02(]Naq\x00" + b"".join(b"](" + (b"h" + bytes([i])) * 10 + b"eq" + bytes([i + 1]) for i in range(30)) + b"t.", "nested"),
        "laughs_dict": (laughs(), "nested"),
        "holds_itself": (b"\x80\x02}q\x00" + text("a") + b"h\x00s.", "nested"),
        "deep": (b"\x80\x02" + call(12) + b"\x85" * 100000 + b".", "nested"),
        "deep_dicts": (b"\x80\x02" + (b"}" + text("a")) * 5000 + call(12) + b"s" * 5000 + b".", "nested"),
        "many_values": (b"\x80\x02" + b"]" * 3000000, "more than"),
        "many_marks": (b"\x80\x02" + b"(" * 3000000, "more than"),
        "many_gets": (b"\x80\x02Nq\x00(" + b"h\x00" * 3000000, "more than"),
        "many_pairs": (b"\x80\x02](" + (text("a") + b"N\x86") * 1000 + b"eq\x00" + b"ccollections\nOrderedDict\nh\x00\x85R" * 3000 + b".", "more than"),
        "long_text": (b"\x80\x02X" + struct.pack("<I", 0xfffffff0) + b"abc", "cut off"),
        "long_name": (b"\x80\x02c" + b"a" * 5000 + b"\nb\n.", "200 letters"),
        "escape_name": (b"\x80\x02c\x1b[2Jos\nsystem\n.", "?[2Jos.system"),
        "claim_elements": (one_tensor(1 << 40), "claims"),
        "claim_size": (one_tensor(12, (1 << 62, 4), (4, 1)), "more elements"),
        "claim_size_4gb": (one_tensor(12, (1 << 30,)), "beyond"),
        "claim_stride": (one_tensor(12, (2, 2), (1 << 62, 1)), "beyond"),
        "claim_offset": (one_tensor(12, (1,), (1,), 1 << 62), "beyond"),
        "offset_by_one": (one_tensor(12, (12,), (1,), 1), "beyond"),
        "negative_stride": (one_tensor(12, (12,), (-1,)), "whole numbers"),
        "negative_size": (one_tensor(12, (-1,)), "whole numbers"),
        "negative_elements": (one_tensor(-1, (1,)), "description"),
        "expand_bomb": (one_tensor(12, (1 << 40,), (0,)), "repeats"),
        "dims": (one_tensor(12, (1,) * 9, (1,) * 9), "dimensions"),
        "dims_differ": (one_tensor(12, (3, 4), (1,)), "dimensions"),
        "other_storage": (one_tensor(12, key="../../etc/passwd"), "not in the archive"),
        "typed_storage": (one_tensor(12, module="torch.storage", storage="TypedStorage"), "torch.storage.TypedStorage"),
        "control_name": (one_tensor(12, name="a\x1b[2J"), "clean"),
        "broken_utf8": (one_tensor(12, name=b"a\xc0\xaf"), "clean"),
        "surrogate": (one_tensor(12, name=b"a\xed\xa0\x80"), "clean"),
        "endless_name": (one_tensor(12, name="a" * 5000), "letters"),
        "twice": (b"\x80\x02}" + text("a.b") + call(12) + b"s" + text("a") + b"}" + text("b") + call(12) + b"ss.", "twice"),
        "nothing": (b"\x80\x02}" + text("epoch") + b"K\x03s.", "no tensor"),
        "no_pickle": (b"", "cut off"),
    }
    for name, (pkl, *want) in code.items():
        bad(name, archive(pkl), *want)
        if name not in ("other_storage", "claim_elements", "no_pickle"):
            used = b"Storage" in pkl
            bad(name + "_legacy", legacy(pkl, ["0"] * used, [(12, twelve)] * used), *want)
    # the archive
    ok = one_tensor(12)
    flipped = bytearray(archive(ok, b"ABCD" * 12))
    flipped[flipped.index(b"ABCDABCD") + 3] ^= 1
    bad("checksum", bytes(flipped), "checksum", "data/0")
    flipped = bytearray(archive(ok))
    flipped[flipped.index(b"FloatStorage")] ^= 32
    bad("checksum_pickle", bytes(flipped), "checksum", "data.pkl")
    for name, path in (("up", "../../etc/passwd"), ("up_inside", "archive/../../x"), ("up_end", "archive/..")):
        bad("path_" + name, zipped({"data.pkl": ok, "data/0": twelve, "=" + path: b"x"}), "..", path)
    bad("path_absolute", zipped({"data.pkl": ok, "data/0": twelve, "=/etc/passwd": b"x"}), "absolute", "/etc/passwd")
    bad("path_backslash", zipped({"data.pkl": ok, "data/0": twelve, "=a\\..\\b": b"x"}), "backslash")
    bad("path_control", zipped({"data.pkl": ok, "data/0": twelve, "=a\nb": b"x"}), "control")
    bad("zip_claim", zipped({"data.pkl": ok, "data/0": twelve}, claim={"data/0": 0xfffffff0}), "claims", "data/0")
    bad("zip64_claim", zipped({"data.pkl": ok, "data/0": twelve}, claim={"data/0": 1 << 50}), "claims", "data/0")
    bad("zip_entries", zipped({"data.pkl": ok, "data/0": twelve}, entries_claim=60000), "claims 60000")
    bad("zip_encrypted", zipped({"data.pkl": ok, "data/0": twelve}, flags=1), "encrypted")
    bad("zip_method", zipped({"data.pkl": ok, "data/0": twelve}, method=99), "compressed")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("archive/data.pkl", ok)
        z.writestr("archive/data/0", bytes(50 << 20))
    bad("zip_bomb", out.getvalue(), "deflate", "zip -0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad("zip_duplicate", zipped([("data.pkl", ok), ("data/0", twelve), ("data/0", twelve)]), "twice", "data/0")
    inner = zipped([("data/1", twelve)])
    inner = inner[:inner.index(b"PK\x01\x02")]
    plain = zipped([("data.pkl", ok), ("data/0", b"." * 8 + inner), ("data/1", twelve)])
    at, table = plain.index(inner), plain.index(b"PK\x01\x02")
    last = plain.rindex(b"PK\x01\x02")
    bad("zip_overlap", plain[:last + 42] + struct.pack("<I", at) + plain[last + 46:], "overlaps")
    assert table < last
    bad("zip_offset", plain[:last + 42] + struct.pack("<I", 0x7ffffff0) + plain[last + 46:], "outside")
    bad("zip_local", plain[:last + 42] + struct.pack("<I", 0) + plain[last + 46:], "table of contents")
    bad("zip_no_pickle", zipped({"x": b"x"}), "data.pkl")
    bad("zip_two_pickles", zipped({"data.pkl": ok, "b/data.pkl": ok}), "more than one")
    bad("zip_empty", zipped({}), "data.pkl")
    bad("torchscript", zipped({"data.pkl": ok, "constants.pkl": b"x", "code/a.py": b"x"}), "TorchScript")
    bad("byteorder", zipped({"data.pkl": ok, "byteorder": b"middle", "data/0": twelve}), "byte order")
    # the old form
    bad("legacy_claim", legacy(ok, ["0"], [(1 << 60, twelve)]), "claims")
    bad("legacy_short", legacy(one_tensor(13), ["0"], [(12, twelve)]), "claims 13")
    bad("legacy_revision", legacy(ok, ["0"], [(12, twelve)], 1002), "revision")
    bad("legacy_keys", legacy(ok, {"0": 1}, [(12, twelve)]), "list of storages")
    bad("legacy_key_twice", legacy(ok, ["0", "0"], [(12, twelve)] * 2), "twice")
    bad("legacy_no_storage", legacy(ok, [], []), "not in the file")
    two = b"\x80\x02}" + text("a") + call(12) + b"s" + text("b") + call(12, storage="LongStorage") + b"s."
    bad("legacy_two_types", legacy(two, ["0"], [(12, twelve)]), "two element types")
    # what people really have
    bad("empty", b"", "0 bytes")
    bad("web_page", b"<!DOCTYPE html><html><body>404</body></html>", "web page")
    bad("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git-lfs")
    bad("gzip", zlib.compress(b"x", wbits=31), "gzip")
    bad("bare_pickle", pickle.dumps({"a": 1}, 4), "bare Python pickle")
    bad("noise", bytes(range(7, 255)) * 3, "neither")
    bad("tar", bytes(257) + b"ustar" + bytes(300), "tar")


def laughs():
    """Dictionaries of ten of the one before, 25 deep: 10^25 values to whoever walks them all."""
    out = b"\x80\x02(}" + text("x") + b"]sq\x00"
    for i in range(25):
        out += b"}(" + b"".join(text(str(k)) + b"h" + bytes([i]) for k in range(10)) + b"uq" + bytes([i + 1])
    return out + b"t."


if __name__ == "__main__":
    for folder in ("good", "bad"):
        os.makedirs(os.path.join(OUT, folder), exist_ok=True)
    torch.set_num_threads(1)
    for make in (tensors, networks, hostile):
        if make.__name__ in sys.argv[2:] or len(sys.argv) < 3:
            make()
