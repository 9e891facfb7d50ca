#!/usr/bin/env python3
"""Runs lowered products of Ampere on the CPU, thread by thread.

Lowers a kernel of two copies, a product and a store, and executes what comes out
for all threads of a block in step: integer arithmetic, cp.async, ldmatrix and
mma.sync as the PTX ISA states them. So every address is checked, of copies out of
bounds too. The result must be the product."""
import itertools
import random
import re
import subprocess
import sys

GLOBAL = 1 << 20  # bytes from one tensor to the next
BINARY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b, "lshr": lambda a, b: a >> b,
    "urem": lambda a, b: a % b, "udiv": lambda a, b: a // b}
COMPARE = {"eq": lambda a, b: a == b, "slt": lambda a, b: a < b, "sgt": lambda a, b: a > b,
           "ult": lambda a, b: a < b}
BYTES = {"bf16": 2, "f32": 4, "i8": 1}


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Block:
    def __init__(self, text, threads, arguments, memory):
        self.threads, self.memory = threads, memory  # memory: global byte -> element
        self.shared, self.stored, self.env = {}, {}, {}
        self.lines = [line.strip() for line in text.splitlines()]
        for i, value in enumerate(arguments):
            self.env["%%arg%d" % i] = [value] * threads

    def run(self):
        for line in self.lines:
            self.step(line)
        return self.stored

    def step(self, line):
        env, every = self.env, range(self.threads)
        if m := re.match(r"(%\w+) = llvm\.mlir\.constant\((\S+) : (\w+)\)", line):
            env[m[1]] = [float(m[2]) if m[3] == "f32" else int(m[2])] * self.threads
        elif m := re.match(r"(%\w+) = llvm\.mlir\.constant\((true|false)\)", line):
            env[m[1]] = [int(m[2] == "true")] * self.threads
        elif m := re.match(r"(%\w+) = llvm\.(\w+) (%\w+), (%\w+) : i(\d+)$", line):
            bits = int(m[5])
            mask = (1 << bits) - 1
            env[m[1]] = [BINARY[m[2]](a & mask, b & mask) & mask
                         for a, b in zip(env[m[3]], env[m[4]])]
        elif m := re.match(r'(%\w+) = llvm\.icmp "(\w+)" (%\w+), (%\w+) : i(\d+)', line):
            bits, of = int(m[5]), COMPARE[m[2]]
            read = (lambda v: v & ((1 << bits) - 1)) if m[2][0] == "u" else (
                lambda v: signed(v, bits))
            env[m[1]] = [int(of(read(a), read(b))) for a, b in zip(env[m[3]], env[m[4]])]
        elif m := re.match(r"(%\w+) = llvm\.(sext|zext) (%\w+) : i(\d+) to i64", line):
            bits = int(m[4])
            env[m[1]] = [(signed(v, bits) if m[2] == "sext" else v) & (2**64 - 1)
                         for v in env[m[3]]]
        elif m := re.match(r"(%\w+) = llvm\.select (%\w+), (%\w+), (%\w+) ", line):
            env[m[1]] = [a if c else b for c, a, b in zip(env[m[2]], env[m[3]], env[m[4]])]
        elif m := re.match(r"(%\w+) = llvm\.intr\.s(min|max)\((%\w+), (%\w+)\) ", line):
            of = min if m[2] == "min" else max
            env[m[1]] = [of(signed(a, 32), signed(b, 32)) for a, b in zip(env[m[3]], env[m[4]])]
        elif m := re.match(r"(%\w+) = (nvvm.read.ptx.sreg.tid.x|llvm.inline_asm.*%tid.x)", line):
            env[m[1]] = list(every)
        elif m := re.match(r"(%\w+) = nvvm.read.ptx.sreg.ctaid.x", line):
            env[m[1]] = [0] * self.threads
        elif m := re.match(r"(%\w+) = llvm\.(ptrtoint|mlir\.addressof)", line):
            env[m[1]] = [0] * self.threads  # shared memory starts at 0
        elif m := re.match(r"(%\w+) = nvvm.shfl.sync\s+idx %\w+, (%\w+),", line):
            env[m[1]] = [env[m[2]][t - t % 32] for t in every]
        elif m := re.match(r"(%\w+) = llvm.getelementptr (%\w+)\[(%\w+)\] : "
                           r"\(!llvm.ptr<\d>, i(\d+)\) -> !llvm.ptr<\d>, (\w+)", line):
            env[m[1]] = [base + BYTES[m[5]] * signed(i, int(m[4]))
                         for base, i in zip(env[m[2]], env[m[3]])]
        elif m := re.match(r"(%\w+) = llvm.extractvalue (%\w+)\[(\d+)\]", line):
            env[m[1]] = [values[int(m[3])] for values in env[m[2]]]
        elif "llvm.inline_asm" in line:
            self.assembly(line)

    def assembly(self, line):
        text = re.search(r'= att "([^"]*)"', line)[1]
        result = (re.match(r"(%\w+) =", line) or [None, None])[1]
        operands = [self.env[name] for name in
                    re.findall(r"%\w+", re.search(r'{memory}" ([^:]*):', line)[1])]
        plus = int((re.search(r"\[\$\d+\+(\d+)\]", text) or [0, 0])[1])
        if "cp.async.cg" in text:
            for t in range(self.threads):
                if text.startswith("@") and not operands[3][t]:
                    continue
                address, source, count = (operand[t] for operand in operands[:3])
                if (address + plus) % 16 or (count and source % 16):
                    sys.exit("a copy of 16 bytes from %d to %d" % (source, address + plus))
                for byte in range(0, 16, 2):
                    self.shared[address + plus + byte] = (
                        self.memory[source + byte] if byte < count else 0)
        elif m := re.match(r"ldmatrix.sync.aligned.m8n8.x(\d)(.trans)?", text):
            count = int(m[1])
            self.env[result] = [[self.matrix(operands[0], t, i, bool(m[2]), plus)
                                 for i in range(count)] for t in range(self.threads)]
        elif text.startswith("mma.sync.aligned.m16n8k16.row.col"):
            self.env[result] = self.product(operands[:4], operands[4:8], operands[8:10])
        elif m := re.match(r"@\$1 st.global(.v(\d))?.b32", text):
            for t in range(self.threads):
                if operands[1][t]:
                    for i, value in enumerate(operands[2:]):
                        self.stored[operands[0][t] + 4 * i] = value[t]

    def matrix(self, addresses, thread, number, transposed, plus):
        lane = thread % 32
        pair = []
        for half in (0, 1):
            row, column = lane // 4, 2 * (lane % 4) + half
            if transposed:
                row, column = column, row
            start = addresses[thread - lane + 8 * number + row] + plus
            if start % 16:
                sys.exit("ldmatrix of a row at %d" % start)
            pair.append(self.shared[start + 2 * column])
        return tuple(pair)

    def product(self, acc, a, b):
        results = [None] * self.threads
        for first in range(0, self.threads, 32):
            left, right = {}, {}
            for lane in range(32):
                for i, half in itertools.product(range(4), range(2)):
                    left[lane // 4 + 8 * (i % 2), 2 * (lane % 4) + half + 8 * (i // 2)] = (
                        a[i][first + lane][half])
                for i, half in itertools.product(range(2), range(2)):
                    right[2 * (lane % 4) + half + 8 * i, lane // 4] = b[i][first + lane][half]
            for lane in range(32):
                cells = [(lane // 4 + 8 * (i // 2), 2 * (lane % 4) + i % 2) for i in range(4)]
                results[first + lane] = [
                    acc[i][first + lane] + sum(left[row, k] * right[k, column] for k in range(16))
                    for i, (row, column) in enumerate(cells)]
        return results


def swizzle_of(columns):
    return next(s for s in (128, 64, 32) if 2 * columns % s == 0)


def check(m, n, k, a_order, b_order, warps, extents, split=False, whole=False):
    """A product m x n x k of operands stored in an order of axes. `extents`: of
    tensors that end inside the tile, which starts where an argument says; `whole`:
    at a constant 0, as an axis that is held whole and padded. `split`: the rows are
    two axes."""
    size = dict(m=m, n=n, k=k, h=2)
    rows = "hm" if split else "m"
    moves = extents and not whole
    if split:
        size["m"] //= 2
        a_order = a_order.replace("m", "hm")
    tile = lambda axes: ", ".join("%s = %d" % (axis, size[axis]) for axis in axes)
    smem = lambda axes: "!stage.smem<bf16, [%s], %d>" % (tile(axes), swizzle_of(size[axes[-1]]))
    tensor = lambda axes, type="bf16": "!tile.tensor<%s, [%s]>" % (type, ", ".join(axes))
    zeros = lambda axes: ", ".join(["%z"] * len(axes))
    atoms, groups = m // 16, warps // 4
    in_group = min(4, atoms)
    row = "m:8:1", "m:2:8", "m:%d:16" % (size["m"] // 16)
    if split:
        if size["m"] != 16 or warps != 4:
            sys.exit("a case that this script cannot lay out")
        warp = "h:2:1, _:2:0"
        reg_rows = ""
    else:
        per_warp = max(1, atoms // (in_group * groups))
        spread = atoms // in_group // per_warp
        warp = "m:%d:16, _:%d:0, m:%d:%d, _:%d:0" % (
            in_group, 4 // in_group, spread, 16 * in_group * per_warp, groups // spread)
        reg_rows = ", m:%d:%d" % (per_warp, 16 * in_group)
    layout = "reg = [n:2:1, m:2:8, n:%d:8%s], lane = [n:4:2, m:8:1], warp = [%s]" % (
        n // 8, reg_rows, warp)
    source = f"""
#acc = #stage.frag<{layout}>
!a = {smem(a_order)}
!b = {smem(b_order)}
!c = !tile.tile<f32, [{tile(rows + "n")}], #acc>
stage.kernel @product(in %a: {tensor(a_order)}, in %b: {tensor(b_order)}, out %c: {tensor(rows + "n", "f32")}{", scalar %z: i32" if moves else ""})
    grid [] warps {warps} attributes {{target = "sm_80"}} {{
  {"" if moves else "%z = arith.constant 0 : i32"}
  %ca = stage.channel "a" depth 1 arrivals {groups} : !stage.channel<!a>
  %cb = stage.channel "b" depth 1 arrivals {groups} : !stage.channel<!b>
  %sa = stage.acquire %ca : !stage.channel<!a>
  stage.async_load %a[{zeros(a_order)}] at [{", ".join(a_order)}] -> %sa : {tensor(a_order)}, !a
  %sb = stage.acquire %cb : !stage.channel<!b>
  stage.async_load %b[{zeros(b_order)}] at [{", ".join(b_order)}] -> %sb : {tensor(b_order)}, !b
  %ga = stage.get %ca : !stage.channel<!a>
  %gb = stage.get %cb : !stage.channel<!b>
  %p = stage.mma_sync %ga, %gb : !a, !b -> !c
  stage.release %ca : !stage.channel<!a>
  stage.release %cb : !stage.channel<!b>
  stage.global_store %p -> %c[{zeros(rows + "n")}] at [{", ".join(rows + "n")}] : !c, {tensor(rows + "n", "f32")}
}}
"""
    run = subprocess.run(["tilewright", "opt", "--stage-lower-to-nvvm"], input=source,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(source + run.stderr)
    text = run.stdout

    # Tensors of the given extents, rows padded.
    extent = dict(size, **extents)
    orders = dict(a=a_order, b=b_order, c=rows + "n")
    strides = {}
    for name, order in orders.items():
        stride, strides[name] = 1, {}
        for axis in reversed(order):
            strides[name][axis] = stride
            stride = stride * extent[axis] + (8 if axis == order[-1] else 0)
            stride = (stride + 7) // 8 * 8
    memory, values = {}, {}
    random.seed(1)
    for number, name in enumerate("ab"):
        order = orders[name]
        for at in itertools.product(*(range(extent[axis]) for axis in order)):
            value = random.randint(-4, 4)
            values[name, at] = value
            place = sum(i * strides[name][axis] for i, axis in zip(at, order))
            memory[(number + 1) * GLOBAL + 2 * place] = value
    parameters = re.search(r"tilewright.params = \[(.*?)\]", text)[1]
    arguments = []
    for parameter in re.findall(r'"(.*?)"', parameters):
        words = parameter.split()
        arguments.append(GLOBAL * (1 + "abc".index(words[1])) if words[0] == "pointer" else
                         strides[words[1]][words[2]] if words[0] == "stride" else
                         0 if words[0] == "scalar" else
                         extent[words[1]])
    stored = Block(text, 32 * warps, arguments, memory).run()

    count = 0
    for at in itertools.product(*(range(extent[axis]) for axis in rows + "n")):
        place = dict(zip(rows + "n", at))
        expected = 0
        for i in range(min(extent["k"], k)):
            place["k"] = i
            expected += (values["a", tuple(place[x] for x in a_order)] *
                         values["b", tuple(place[x] for x in b_order)])
        where = 3 * GLOBAL + 4 * sum(place[x] * strides["c"][x] for x in rows + "n")
        if stored.pop(where, None) != expected:
            sys.exit("wrong at %s of m %d n %d k %d %s %s, %d warps, %s" %
                     (at, m, n, k, a_order, b_order, warps, extents))
        count += 1
    if stored:
        sys.exit("stores beyond the tensor")
    return count


total = 0
for a_order, b_order in itertools.product(("mk", "km"), ("nk", "kn")):
    total += check(64, 16, 32, a_order, b_order, 4, {})
    total += check(128, 16, 32, a_order, b_order, 4, {})
    total += check(64, 40 if b_order == "nk" else 48, 16, a_order, b_order, 4, {})
    total += check(64, 64, 16, a_order, b_order, 4, {})
    total += check(128, 16, 64, a_order, b_order, 8, {})
    total += check(64, 32, 64, a_order, b_order, 4, dict(m=50, n=27, k=40))
    total += check(32, 16, 32, a_order, b_order, 4, dict(m=31))
    total += check(64, 16, 48, a_order, b_order, 4, dict(k=40), whole=True)
total += check(32, 16, 32, "mk", "nk", 4, {}, split=True)
print("all", total, "elements are right")
