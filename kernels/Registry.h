//===- Registry.h - Kernels by name -----------------------------*- C++ -*-===//
//
// For the command line and the tests: each kernel of this folder, made from a
// name and options.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Kernel.h"

namespace tilewright::kernels {

/// Options that a builder reads, as "mask" -> "causal".
using Options = std::map<std::string, std::string>;

struct Entry {
  std::string name;
  std::string summary; ///< one sentence, with the options it reads
  dsl::Kernel (*make)(const Options &);
};

/// Every kernel, in the order of the help text.
const std::vector<Entry> &allKernels();

/// The kernel of this name. Throws tilewright::Error, which lists what there
/// is, if there is no such kernel or an option has no such value.
dsl::Kernel makeKernel(const std::string &name, const Options &options);

} // namespace tilewright::kernels
