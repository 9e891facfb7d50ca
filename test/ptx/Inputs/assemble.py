#!/usr/bin/env python3
"""Assembles PTX from standard input with ptxas, for sm_90a or those GPUs that
the command line names, and fails on whatever makes a kernel slow without an error: spills, and any C75xx message (ptxas then
serialises wgmma). Prints what ptxas says."""
import os
import re
import subprocess
import sys
import tempfile

# A kernel may have others in front of it: each is a module of its own.
modules = [text for text in re.split(r"(?m)^(?=\.version )", sys.stdin.read()) if ".version" in text]
failed = not modules
for gpu in sys.argv[1:] or ["sm_90a"]:
    for ptx in modules:
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "kernel.ptx")
            with open(source, "w") as file:
                file.write(ptx)
            run = subprocess.run(
                ["ptxas", "-arch=" + gpu, "-v", source, "-o", os.path.join(folder, "cubin")],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(run.stdout)
        slow = [line for line in run.stdout.splitlines()
                if re.search(r"C75\d\d", line)
                or re.search(r"[1-9]\d* bytes (stack frame|spill)", line)]
        for line in slow:
            print("slow:", line)
        if "Compiling entry function" not in run.stdout:
            sys.exit("ptxas compiled no kernel")
        failed |= bool(run.returncode or slow)
sys.exit(failed)
