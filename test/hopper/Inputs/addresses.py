#!/usr/bin/env python3
"""Checks the addresses that the lowering computes, thread by thread.

For many layouts and buffers it lowers a kernel of one stage.write, stage.read
or stage.mma, evaluates the integer ops of the result for every thread, and
compares: each element that a thread moves must lie where the type of the
buffer says, and each element that a wgmma descriptor names, read as the
instruction reads it, must be the one the product wants."""
import re
import subprocess
import sys

ARITHMETIC = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b, "lshr": lambda a, b: a >> b,
    "urem": lambda a, b: a % b, "udiv": lambda a, b: a // b}


def lower(source):
    run = subprocess.run(["tilewright", "opt", "--stage-lower-to-nvvm"], input=source,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return [line.strip() for line in run.stdout.splitlines()]


def evaluate(lines, thread):
    """What the thread does: (kind, address or descriptors, detail) in order."""
    env, actions = {}, []
    for line in lines:
        if m := re.match(r"(%\w+) = llvm\.mlir\.constant\((-?\d+) : i\d+\)", line):
            env[m[1]] = int(m[2])
        elif m := re.match(r"(%\w+) = llvm\.(\w+) (%\w+), (%\w+) : i(32|64)$", line):
            if m[2] in ARITHMETIC and m[3] in env and m[4] in env:
                mask = (1 << int(m[5])) - 1
                env[m[1]] = ARITHMETIC[m[2]](env[m[3]] & mask, env[m[4]] & mask) & mask
        elif m := re.match(r"(%\w+) = (nvvm.read.ptx.sreg.tid.x|llvm.inline_asm.*%tid.x)", line):
            env[m[1]] = thread
        elif m := re.match(r"(%\w+) = llvm.ptrtoint", line):
            env[m[1]] = 0  # shared memory starts at 0
        elif m := re.match(r"(%\w+) = llvm.zext (%\w+) : i32 to i64", line):
            env[m[1]] = env[m[2]]
        elif m := re.match(r"(%\w+) = nvvm.shfl.sync\s+idx %\w+, (%\w+),", line):
            env[m[1]] = env[m[2]]
        elif m := re.match(r"(%\w+) = llvm.getelementptr %\w+\[(%\w+)\] : \(!llvm.ptr<3>, i32\)", line):
            env[m[1]] = env[m[2]]
        elif m := re.match(r"nvvm.stmatrix (%\w+), ([%\w, ]+) \{.*mma_layout<(\w+)>", line):
            actions.append(("matrices", env[m[1]], (m[2].count("%"), m[3] == "col")))
        elif m := re.search(r'"ldmatrix.sync.aligned.m8n8.x(\d)(.trans)?.* (%\w+) :', line):
            actions.append(("matrices", env[m[3]], (int(m[1]), bool(m[2]))))
        elif m := (re.match(r"llvm.store %\w+, (%\w+) .*: (\S+), !llvm.ptr<3>", line) or
                   re.match(r"%\w+ = llvm.load (%\w+) .*: !llvm.ptr<3> -> (\S+)", line)):
            vector = re.match(r"vector<(\d+)x(\w+)>", m[2])
            actions.append(("elements", env[m[1]],
                            (int(vector[1]), vector[2]) if vector else (1, m[2])))
        elif m := re.search(r'"(wgmma.mma_async[^"]*)", "([^"]*)" (.*) : \(', line):
            kinds = [c for c in m[2].split(",") if not c.startswith("=")]
            descriptors = [env[value] for value, kind in zip(m[3].split(", "), kinds) if kind == "l"]
            actions.append(("product", descriptors, m[1]))
    return actions


def swizzled(rows, columns, element_bytes, swizzle, row, column):
    """Where the type of a buffer says an element is; see !stage.smem."""
    place = column * element_bytes
    if not swizzle:
        return row * columns * element_bytes + place
    offset = row * swizzle + place % swizzle
    turned = offset ^ (((offset >> 7) & (swizzle // 16 - 1)) << 4)
    return place // swizzle * rows * swizzle + turned


def coordinates(layout, register, lane, warp):
    at = {}
    for digits, number in zip(layout, (register, lane, warp)):
        for axis, size, stride in digits:
            at[axis] = at.get(axis, 0) + number % size * stride
            number //= size
    return at


def text_of(layout):
    parts = ["%s = [%s]" % (name, ", ".join("%s:%d:%d" % digit for digit in digits))
             for name, digits in zip(("reg", "lane", "warp"), layout)]
    return "#stage.frag<" + ", ".join(parts) + ">"


def extents_text(extents, order):
    return ", ".join(f"{axis} = {extents[axis]}" for axis in order)


def accumulator(columns, warps, blocks=1):
    """The layout of a wgmma accumulator, rows of a warpgroup together."""
    registers = [("n", 2, 1), ("m", 2, 8), ("n", columns // 8, 8)]
    spread = [("m", warps, 16)]
    if blocks > 1:
        registers.append(("m", blocks, 64))
        spread = [("m", 4, 16), ("m", warps // 4, 64 * blocks)]
    return (registers, [("n", 4, 2), ("m", 8, 1)], spread)


def check_moves(element, extents, layout, order, swizzle, warps, load):
    size = {"bf16": 2, "f32": 4}[element]
    names = ", ".join(extents)
    tile = f"!tile.tile<{element}, [{extents_text(extents, extents)}], {text_of(layout)}>"
    smem = f"!stage.smem<{element}, [{extents_text(extents, order)}], {swizzle}>"
    tensor = f"!tile.tensor<{element}, [{names}]>"
    body = f"""%v = stage.read %b : {smem} -> {tile}
      stage.global_store %v -> %x[{", ".join(["%z"] * len(extents))}] at [{names}] : {tile}, {tensor}"""
    if not load:
        body = f"""%v = tile.constant 1.0 : {element} -> {tile}
      stage.write %v -> %b : {tile}, {smem}"""
    lines = lower(f"""stage.kernel @k(out %x: {tensor}) grid [{next(iter(extents))} = 1] warps {warps} {{
      %z = arith.constant 0 : i32
      %b = stage.buffer "b" : {smem}
      {body}
    }}""")
    rows = 1
    for axis in order[:-1]:
        rows *= extents[axis]

    def expected(register, lane, warp):
        at, row = coordinates(layout, register, lane, warp), 0
        for axis in order[:-1]:
            row = row * extents[axis] + at.get(axis, 0)
        return swizzled(rows, extents[order[-1]], size, swizzle, row, at.get(order[-1], 0))

    registers = 1
    for _, count, _ in layout[0]:
        registers *= count
    actions = [evaluate(lines, thread) for thread in range(32 * warps)]
    for warp in range(warps):
        lanes, done = actions[32 * warp:32 * warp + 32], 0
        for index, (kind, _, detail) in enumerate(lanes[0]):
            if kind == "matrices":
                count, transposed = detail
                for matrix in range(count):
                    for lane in range(32):
                        for half in range(2):
                            row, column = lane // 4, 2 * (lane % 4) + half
                            if transposed:
                                row, column = column, row
                            got = lanes[8 * matrix + row][index][1] + 2 * column
                            assert got == expected(done + 2 * matrix + half, lane, warp), (tile, smem)
                done += 2 * count
            else:
                count = detail[0] * (2 if element == "bf16" and detail[1] == "i32" else 1)
                for lane in range(32):
                    for i in range(count):
                        got = lanes[lane][index][1] + i * size
                        assert got == expected(done + i, lane, warp), (tile, smem)
                done += count
        assert done == registers, (tile, smem, done)


def named_by(descriptor, contracted_last, outer, inner):
    """Address of an element of an operand as wgmma reads it, and the swizzle."""
    start, leading, stride = [((descriptor >> shift) & 0x3fff) << 4 for shift in (0, 16, 32)]
    swizzle = {1: 128, 2: 64, 3: 32}[descriptor >> 62]
    if contracted_last:
        address = start + outer // 8 * stride + outer % 8 * swizzle + 2 * inner
    else:
        line = swizzle // 2
        address = (start + outer // line * leading + inner // 8 * stride + inner % 8 * swizzle +
                   outer % line * 2)
    return address ^ (((address >> 7) & (swizzle // 16 - 1)) << 4), swizzle


def check_product(m, n, k, transposed, swizzles, warps, blocks=1):
    extents = {"m": m, "n": n, "k": k}
    types = []
    for axis, turn, swizzle in zip("mn", transposed, swizzles):
        order = ("k", axis) if turn else (axis, "k")
        types.append(f"!stage.smem<bf16, [{extents_text(extents, order)}], {swizzle}>")
    a, b = types
    result = f"!tile.tile<f32, [{extents_text(extents, 'mn')}], {text_of(accumulator(n, warps, blocks))}>"
    # Another buffer in front, so that addresses do not start at 0.
    lines = lower(f"""stage.kernel @k(out %x: !tile.tensor<f32, [m, n]>) grid [m = 1] warps {warps} {{
      %p = stage.buffer "p" : !stage.smem<bf16, [n = 8, k = 64], 128>
      %a = stage.buffer "a" : {a}
      %b = stage.buffer "b" : {b}
      %c = stage.mma %a, %b : {a}, {b} -> {result}
    }}""")
    starts = [1024, (1024 + 2 * m * k + 1023) // 1024 * 1024]
    for group in range(warps // 4):
        products = [action for action in evaluate(lines, 128 * group) if action[0] == "product"]
        for row in range(64 * blocks * group, 64 * blocks * (group + 1), 64):
            for column in range(0, n, 256):
                width = min(n - column, 256)
                for step in range(0, k, 16):
                    _, descriptors, text = products.pop(0)
                    assert f"m64n{width}k16" in text, text
                    flags = f"{int(step > 0)}, 1, 1, {int(transposed[0])}, {int(transposed[1])};"
                    assert text.endswith(flags), text
                    for operand, (first, count, extent) in enumerate(
                            ((row, 64, m), (column, width, n))):
                        turn, swizzle = transposed[operand], swizzles[operand]
                        for outer in range(count):
                            for inner in range(16):
                                got = named_by(descriptors[operand], not turn, outer, inner)
                                place = (first + outer, step + inner)
                                shape = (extent, k)
                                if turn:
                                    place, shape = place[::-1], shape[::-1]
                                want = starts[operand] + swizzled(*shape, 2, swizzle, *place)
                                assert got == (want, swizzle), (a, b, group, row, column, step)
        assert not products


def main():
    for load in (False, True):
        for swizzle, columns in ((128, 64), (128, 128), (64, 96), (32, 16), (0, 24)):
            for warps in (4, 8):
                extents = {"m": 16 * warps, "n": columns}
                check_moves("bf16", extents, accumulator(columns, warps), "mn", swizzle, warps, load)
        for warps in (4, 8):
            extents, layout = {"m": 16 * warps, "n": 64}, accumulator(64, warps)
            check_moves("bf16", extents, layout, "nm", 128, warps, load)
            check_moves("f32", extents, layout, "mn", 128, warps, load)
            check_moves("f32", extents, layout, "nm", 128, warps, load)
            check_moves("bf16", {"m": 32 * warps, "n": 64}, accumulator(64, warps, 2), "mn", 128,
                        warps, load)
        rows = ([("n", 8, 1), ("m", 2, 4)], [("n", 32, 8)], [("m", 4, 1)])
        check_moves("bf16", {"m": 8, "n": 256}, rows, "mn", 128, 4, load)
        heads = ([("n", 2, 1), ("m", 2, 8), ("n", 8, 8)], [("n", 4, 2), ("m", 8, 1)], [("h", 4, 1)])
        check_moves("bf16", {"h": 4, "m": 16, "n": 64}, heads, "hmn", 128, 4, load)
    for turn_a in (False, True):
        for turn_b in (False, True):
            turns = (turn_a, turn_b)
            check_product(128, 64, 128, turns, (128, 128), 8)
            check_product(256, 64, 64, turns, (128, 128), 8, blocks=2)
            check_product(64, 512, 64, turns, (128, 128), 4)
            check_product(64, 80, 48, turns, (32, 32), 4)
            check_product(128, 96, 32, turns, (128 if turn_a else 64, 64), 8)
            check_product(192, 176, 64, turns, (128, 32 if turn_b else 128), 12)
    print("all addresses are right")


main()
