#!/usr/bin/env python3
"""Times what PyTorch offers for the kernels of `tilewright bench`: attention by
cuDNN and by FlashAttention-2, a matrix product by cuBLAS.

    torch_peers.py [--seq N] [--heads H] [--dim D] [--causal] [--gemm N]
                   [--runs 30] [--dtype bf16]

Random normal data; median of 30 launches after 10, each between two events,
from rest. TFLOP/s count 4*H*N*N*D for attention (half of it when causal) and
2*N^3 for the product. One line of JSON for each row, on standard output.
"""
import argparse
import json
import statistics
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def median_ms(launch, warmup=10, runs=30):
    torch.cuda.synchronize()
    time.sleep(0.3)
    for _ in range(warmup):
        launch()
    events = []
    for _ in range(runs):
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        begin.record()
        launch()
        end.record()
        events.append((begin, end))
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in events)


def report(name, ms, flops):
    print(json.dumps({"peer": name, "median_ms": round(ms, 4),
                      "tflops": round(flops / ms * 1e-9, 1)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seq", type=int, default=16384)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--causal", action="store_true")
    parser.add_argument("--gemm", type=int, default=0)
    parser.add_argument("--dtype", choices=("bf16", "f16"), default="bf16")
    parser.add_argument("--runs", type=int, default=30)
    args = parser.parse_args()

    dtype = {"bf16": torch.bfloat16, "f16": torch.float16}[args.dtype]
    if args.gemm:
        a = torch.randn(args.gemm, args.gemm, device="cuda", dtype=dtype)
        b = torch.randn(args.gemm, args.gemm, device="cuda", dtype=dtype)
        report(f"cuBLAS {torch.version.cuda} gemm {args.gemm}",
               median_ms(lambda: a @ b, runs=args.runs), 2.0 * args.gemm**3)
        return
    shape = (args.batch, args.heads, args.seq, args.dim)
    q, k, v = (torch.randn(shape, device="cuda", dtype=dtype) for _ in range(3))
    flops = 4.0 * args.batch * args.heads * args.seq**2 * args.dim
    if args.causal:
        flops /= 2
    for name, backend in (("cuDNN", SDPBackend.CUDNN_ATTENTION),
                          ("FlashAttention-2", SDPBackend.FLASH_ATTENTION)):
        with sdpa_kernel(backend):
            ms = median_ms(lambda: torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=args.causal), runs=args.runs)
        report(f"{name} (torch {torch.__version__})", ms, flops)


if __name__ == "__main__":
    main()
