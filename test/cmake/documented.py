"""Fails when an op, a type, an attribute or a pass lacks its documentation.

usage: documented.py LLVM_TBLGEN ROOT INCLUDE FILE.td...

A summary says what it is; a description says what it means; an op's description
names the op, in an example.
"""

import json
import subprocess
import sys

tblgen, root, include, *files = sys.argv[1:]
documentedClasses = {"Op", "TypeDef", "AttrDef", "PassBase"}
problems = set()
seen = 0
for file in files:
    records = json.loads(subprocess.check_output(
        [tblgen, "--dump-json", "-I", root, "-I", include, f"{root}/{file}"]))
    for name, record in records.items():
        if name.startswith("!") or not documentedClasses & set(record["!superclasses"]):
            continue
        isPass = "PassBase" in record["!superclasses"]
        dialect = (record.get("opDialect") or record.get("dialect") or {}).get("def")
        dialectName = records[dialect]["name"] if dialect else None
        if not isPass and dialectName not in ("tile", "stage"):
            continue  # of a dialect that the file includes
        seen += 1
        # An enumeration's cases speak for themselves, a pass's file for the pass.
        short = isPass or record.get("enum")
        fields = ["summary"] if short else ["summary", "description"]
        for field in fields:
            if not (record.get(field) or "").strip():
                problems.add(f"{name} has no {field}")
        if "Op" in record["!superclasses"]:
            spelling = f"{dialectName}.{record['opName']}"
            if spelling not in (record.get("description") or ""):
                problems.add(f"{name}: the description has no example with {spelling}")
if not seen:
    problems.add("no records found: has the layout of the .td files changed?")
for problem in sorted(problems):
    print(problem)
print(f"{seen} definitions, {len(problems)} without documentation")
sys.exit(bool(problems))
