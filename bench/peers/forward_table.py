#!/usr/bin/env python3
"""Flash forward beside PyTorch's kernels: a table over lengths, in turns.

    forward_table.py TILEWRIGHT [--dims 128,64] [--lengths 1024,4096,16384]
                     [--causal 0,1] [--rounds 2] [--json FILE] [--best FILE]
                     [--dtype bf16] [--sustained]

16k tokens and 2048 features in all: batch = 16384 / length, heads = 2048 / dim.
Tilewright's own hand-written Hopper kernel is timed in turns with it. In the
first round Tilewright tunes, in later ones it runs what was best then; if there
are later ones, the first does not count.
Each round runs Tilewright, then the peers, each in a process of its own. The
tables, one a round, have medians over the rounds so far, in TFLOP/s (half the
FLOPs when causal).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

PEERS = pathlib.Path(__file__).parent / "torch_peers.py"


def numbers(text):
    return [int(item) for item in text.split(",")]


def ours(binary, cell, configuration, args, limit):
    """({implementation: TFLOP/s}, configuration, report), or what was wrong."""
    dim, length, causal = cell
    shape = f"b={16384 // length},g={2048 // dim},r=1,m={length},n={length},d={dim},e={dim}"
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [binary, "bench", "--kernel", "flash-causal" if causal else "flash",
                   "--shape", shape, "--json", out.name]
        if configuration:
            command += ["--configuration", configuration]
        command += ["--dtype", args.dtype]
        if args.sustained:
            command.append("--sustained")
        if args.alone or args.sustained:
            command.append("--skip-reference")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
            report = json.load(open(out.name))
        except (subprocess.TimeoutExpired, ValueError) as error:
            return f"{type(error).__name__}"
    row = report["workloads"][0]["rows"][0]
    if row["status"] != "ok":
        return row["status"] + ": " + row.get("reason", "") + done.stderr[-300:]
    measured = {row["implementation"]: row["flops_per_second"] * 1e-12
                for row in report["workloads"][0]["rows"] if row["status"] == "ok"}
    return measured, row["configuration"], report["workloads"][0]


def peers(cell, args, limit):
    dim, length, causal = cell
    command = [sys.executable, str(PEERS), "--batch", str(16384 // length), "--heads",
               str(2048 // dim), "--seq", str(length), "--dim", str(dim),
               "--dtype", args.dtype, "--runs", "200" if args.sustained else "30"]
    if causal:
        command.append("--causal")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {}
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["peer"].split(" (")[0]: row["tflops"] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tilewright")
    parser.add_argument("--dims", type=numbers, default=[128, 64])
    parser.add_argument("--lengths", type=numbers, default=[1024, 4096, 16384])
    parser.add_argument("--causal", type=numbers, default=[0, 1])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="without our hand-written kernels")
    parser.add_argument("--dtype", choices=("bf16", "f16"), default="bf16")
    parser.add_argument("--sustained", action="store_true",
                        help="200 launches in a row, and not 30 from rest")
    parser.add_argument("--best", help="a table's JSON, whose configurations to take: none is tuned")
    parser.add_argument("--json")
    args = parser.parse_args()
    cells = [(dim, length, causal) for dim in args.dims for causal in args.causal
             for length in args.lengths]
    measured = {cell: {"tilewright": []} for cell in cells}
    best, details = {}, []
    if args.best:
        for entry in json.load(open(args.best)):
            if "configuration" in entry:
                best[entry["dim"], entry["length"], entry["causal"]] = entry["configuration"]

    def show(cell):
        dim, length, causal = cell
        middle = {name: statistics.median(values) if values else 0.0
                  for name, values in measured[cell].items()}
        cudnn = middle.get("cuDNN", 0.0)
        print(f"{dim:3d} {causal:6d} {length:6d} {middle['tilewright']:11.1f} "
              f"{middle.get('hand-written hopper', 0.0):8.1f} {cudnn:9.1f} "
              f"{middle.get('FlashAttention-2', 0.0):5.0f} "
              f"{middle['tilewright'] / cudnn if cudnn else 0:6.2f}  {best.get(cell, '')}", flush=True)

    # A run that is cut short leaves what it has measured.
    for turn in range(args.rounds):
        print("dim causal length  tilewright  by hand     cuDNN  FA-2  ratio  configuration")
        for cell in cells:
            result = ours(args.tilewright, cell, best.get(cell), args, 240)
            if isinstance(result, str):
                print(cell, result, file=sys.stderr, flush=True)
            else:
                # Tuning leaves a hot chip: unless there is no other, the round
                # that tunes does not count.
                if turn == 1 and not args.best:
                    measured[cell] = {"tilewright": []}
                for name, tflops in result[0].items():
                    measured[cell].setdefault(name, []).append(tflops)
                best[cell] = result[1]
                details.append({"round": turn, "cell": cell, "workload": result[2]})
            for name, tflops in peers(cell, args, 60).items():
                measured[cell].setdefault(name, []).append(tflops)
            show(cell)
            if args.json:
                with open(args.json, "w") as out:
                    entries = [{"dim": cell[0], "length": cell[1], "causal": cell[2],
                                "tflops": values, "configuration": best.get(cell)}
                               for cell, values in measured.items()] + details
                    out.write("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n")


if __name__ == "__main__":
    main()
