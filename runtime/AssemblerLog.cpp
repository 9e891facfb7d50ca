//===- AssemblerLog.cpp - Reading what ptxas says ---------------*- C++ -*-===//
#include "runtime/AssemblerLog.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"

#include <algorithm>

using namespace llvm;

namespace tilewright {

template <class T>
static void keepMaximum(const Regex &pattern, StringRef line,
                        std::optional<T> &value) {
  SmallVector<StringRef, 2> match;
  T number;
  if (pattern.match(line, &match) && !match[1].getAsInteger(10, number))
    value = std::max(value.value_or(number), number);
}

AssemblerReport readAssemblerLog(StringRef log) {
  AssemblerReport report;
  const Regex registers("[Uu]sed ([0-9]+) registers");
  const Regex spills("([0-9]+) bytes spill stores");
  const Regex stack("([0-9]+) bytes stack frame");
  const Regex shared("([0-9]+) bytes smem");
  for (StringRef line : split(log, '\n')) {
    keepMaximum(registers, line, report.registers);
    keepMaximum(spills, line, report.spillBytes);
    keepMaximum(stack, line, report.stackBytes);
    keepMaximum(shared, line, report.sharedBytes);
  }
  return report;
}

Error checkAssemblerLog(StringRef kernel, StringRef log, bool allowSpills) {
  if (allowSpills)
    return Error::success();
  const Regex complaint("(^|[^A-Za-z0-9])C75[0-9][0-9]([^0-9]|$)");
  const Regex spill("([1-9][0-9]*) bytes spill (stores|loads)");
  SmallVector<StringRef> serialised, spilled;
  for (StringRef line : split(log, '\n')) {
    if (complaint.match(line))
      serialised.push_back(line.trim());
    else if (spill.match(line))
      spilled.push_back(line.trim());
  }
  if (!serialised.empty())
    return createStringError(
        "kernel '" + kernel +
        "': the PTX assembler would serialise its asynchronous MMAs or ignore "
        "its register budget: expected a log without C75xx lines, got\n  " +
        join(serialised, "\n  ") +
        "\nchange the schedule, or set TILEWRIGHT_ALLOW_SPILLS=1 to run it "
        "anyway");
  if (!spilled.empty())
    return createStringError(
        "kernel '" + kernel +
        "': registers spill to local memory: expected 0 bytes, got\n  " +
        join(spilled, "\n  ") +
        "\nuse smaller tiles or more warps, or set "
        "TILEWRIGHT_ALLOW_SPILLS=1 to run it anyway");
  return Error::success();
}

} // namespace tilewright
