#!/usr/bin/env python3
"""Variants of causal attention beside PyTorch's FlexAttention, in turns.

    flex.py TILEWRIGHT [--cases causal,alibi,...] [--rounds 1] [--rest 8] [--seconds 95]
            [--batch 4] [--heads 16] [--seq 8192] [--dim 128] [--json FILE]
    flex.py --peer [--cases ...] [--batch ...]

bf16 forward, random normal data. Cases: causal; alibi; softcap (30); window
(the last 1024 keys); documents (of 1024 tokens); prefix (1024 keys that all
queries see). Each is causal, too. The second form runs FlexAttention alone: for
each case it compiles, then prints a line {"ready": case}, and for each line that
it then reads, naming a case, it times that case and prints {"case", "ms"}: the
median of 30 launches after 10, each between two events, as `tilewright bench`
times. Block masks are made once, outside of what is timed.

The first form starts the second and, while that compiles, tunes Tilewright (over
a few configurations, --tune). Once both are ready, it waits for --rest seconds,
since the chip is hot from tuning, and lets them time each case, one after the
other, as often as --rounds says. A case that fails is
said to, and the others go on; what does not fit into --seconds is left out.
"""
import argparse
import json
import pathlib
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CASES = ("causal", "alibi", "softcap", "window", "documents", "prefix")
GOALS = {"causal": 1.75, "alibi": 1.75, "softcap": 2.2, "window": 1.6,
         "documents": 1.6, "prefix": 1.7}
KEYS = 1024


def say(**values):
    print(json.dumps(values), flush=True)


def flex_launches(args):
    """{case: a function that makes the launch}."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    from torch_peers import median_ms

    shape = (args.batch, args.heads, args.seq, args.dim)
    q, k, v = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    documents = torch.arange(args.seq, device="cuda") // KEYS
    slopes = torch.exp2(-8.0 * torch.arange(1, args.heads + 1, device="cuda") / args.heads)

    def causal(b, h, m, n):
        return m >= n

    masks = {"window": lambda b, h, m, n: (m >= n) & (m - n < KEYS),
             "documents": lambda b, h, m, n: (m >= n) & (documents[m] == documents[n]),
             "prefix": lambda b, h, m, n: (m >= n) | (n < KEYS)}
    scores = {"alibi": lambda s, b, h, m, n: s - slopes[h] * (m - n),
              "softcap": lambda s, b, h, m, n: 30 * torch.tanh(s / 30)}

    def make(case):
        mask = create_block_mask(masks.get(case, causal), None, None, args.seq, args.seq,
                                 device="cuda")
        # Each case is compiled on its own: no recompilation by guards of another.
        torch._dynamo.reset()
        compiled = torch.compile(flex_attention, dynamic=False)
        score = scores.get(case)

        def launch():
            return compiled(q, k, v, score_mod=score, block_mask=mask)

        launch()
        torch.cuda.synchronize()
        return launch

    return make, median_ms


def peer(args):
    try:
        make, median_ms = flex_launches(args)
    except Exception as error:  # no PyTorch, no GPU, out of memory
        for case in args.cases:
            say(ready=case, error=f"{type(error).__name__}: {error}"[:300])
        return
    launches = {}
    for case in args.cases:
        try:
            launches[case] = make(case)
            say(ready=case)
        except Exception as error:
            say(ready=case, error=f"{type(error).__name__}: {error}"[:300])
    for line in sys.stdin:
        case = line.strip()
        try:
            say(case=case, ms=median_ms(launches[case]))
        except Exception as error:
            say(case=case, error=f"{type(error).__name__}: {error}"[:300])


class Peer:
    """FlexAttention in a process of its own, which keeps its compiled kernels."""

    def __init__(self, args):
        command = [sys.executable, __file__, "--peer", "--cases", ",".join(args.cases)]
        for name in ("batch", "heads", "seq", "dim"):
            command += [f"--{name}", str(getattr(args, name))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.ready = {}

    def listen(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))
        self.lines.put(None)

    def answer(self, key, case, deadline):
        """What the peer says of a case; a text if it says nothing in time."""
        while True:
            try:
                row = self.lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                return "no answer in time"
            if row is None:
                return "it ended"
            if "ready" in row:
                self.ready[row["ready"]] = row.get("error", "")
            if row.get(key) == case:
                return row.get("error") or row

    def wait_ready(self, case, deadline):
        if case not in self.ready:
            answer = self.answer("ready", case, deadline)
            return answer if isinstance(answer, str) else ""
        return self.ready[case]

    def time(self, case, deadline):
        """Milliseconds, or what was wrong."""
        try:
            self.process.stdin.write(case + "\n")
            self.process.stdin.flush()
        except OSError:
            return "it ended"
        answer = self.answer("case", case, deadline)
        return answer if isinstance(answer, str) else answer["ms"]

    def stop(self):
        self.process.kill()
        self.process.wait()


def ours(args, case, configuration, deadline):
    """(milliseconds, configuration), or what was wrong."""
    shape = (f"b={args.batch},g={args.heads},r=1,m={args.seq},n={args.seq},"
             f"d={args.dim},e={args.dim}")
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [args.tilewright, "bench", "--kernel", "flash-" + case, "--shape", shape,
                   "--skip-reference", "--json", out.name]
        if configuration:
            command += ["--configuration", configuration]
        else:
            command += ["--configuration", args.tune]
        done = None
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=max(1.0, deadline - time.monotonic()))
            row = json.load(open(out.name))["workloads"][0]["rows"][0]
        except subprocess.TimeoutExpired:
            return "out of time"
        except (ValueError, LookupError):
            return "no report: " + (done.stderr[-300:] if done else "")
    if row["status"] != "ok":
        return row["status"] + ": " + row.get("reason", "")[:300]
    return row["median_us"] * 1e-3, row["configuration"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tilewright", nargs="?")
    parser.add_argument("--peer", action="store_true", help="FlexAttention alone")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rest", type=float, default=8, help="seconds between tuning and timing")
    parser.add_argument("--seconds", type=float, default=95, help="in all")
    parser.add_argument("--tune", default="BM = 128, BN = 128,",
                        help="tune over the configurations with these tunables")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--seq", type=int, default=8192)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--json")
    args = parser.parse_args()
    for case in args.cases:
        if case not in CASES:
            parser.error(f"no case '{case}'; expected some of {', '.join(CASES)}")
    if args.peer:
        return peer(args)
    if not args.tilewright:
        parser.error("expected the path of tilewright")

    deadline = time.monotonic() + args.seconds
    flex = Peer(args)
    measured = {case: {"tilewright": [], "flex": []} for case in args.cases}
    best, wrong = {}, {}
    try:
        for case in args.cases:
            result = ours(args, case, None, deadline)
            if isinstance(result, str):
                wrong[case, "tilewright"] = result
            else:
                best[case] = result[1]
        for case in args.cases:
            if problem := flex.wait_ready(case, deadline):
                wrong[case, "flex"] = problem
        time.sleep(max(0.0, min(args.rest, deadline - time.monotonic())))
        for _ in range(args.rounds):
            for case in args.cases:
                for name in ("tilewright", "flex"):
                    if (case, name) in wrong:
                        continue
                    if name == "flex":
                        result = flex.time(case, deadline)
                    else:
                        result = ours(args, case, best[case], deadline)
                        result = result if isinstance(result, str) else result[0]
                    if isinstance(result, str):
                        wrong[case, name] = result
                    else:
                        measured[case][name].append(result)
    finally:
        flex.stop()

    print("case        tilewright ms   flex ms  ratio   goal  configuration")
    for case in args.cases:
        middle = {name: statistics.median(values) if values else 0.0
                  for name, values in measured[case].items()}
        ratio = middle["flex"] / middle["tilewright"] if all(middle.values()) else 0.0
        print(f"{case:10s} {middle['tilewright']:14.3f} {middle['flex']:9.3f} {ratio:6.2f} "
              f"{GOALS[case]:6.2f}  {best.get(case, '')}", flush=True)
    for (case, name), reason in wrong.items():
        print(f"{case}, {name}: {reason}", file=sys.stderr)
    if args.json:
        with open(args.json, "w") as out:
            json.dump([{"case": case, "ms": values, "configuration": best.get(case)}
                       for case, values in measured.items()], out, indent=1)


if __name__ == "__main__":
    main()
