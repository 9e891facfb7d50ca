//===- Registry.h - Kernels by name -----------------------------*- C++ -*-===//
//
// For the command line and the tests: each kernel of this folder, made from a
// name and options.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Kernel.h"
#include <set>

namespace tilewright::kernels {

/// Options that a builder reads, as "mask" -> "causal".
class Options {
public:
  using Values = std::map<std::string, std::string>;
  Options(Values values = {}) : values(std::move(values)) {}
  Options(std::initializer_list<Values::value_type> values) : values(values) {}

  void set(const std::string &name, std::string value) {
    values[name] = std::move(value);
  }
  /// The same options, none of them read.
  Options unread() const { return Options(values); }
  /// The value of an option, null if it is not given. It counts as read.
  const std::string *read(const std::string &name) const;
  /// Throws tilewright::Error if an option is given that `kernel`, now made,
  /// has not read.
  void checkAllRead(const std::string &kernel) const;

private:
  Values values;
  mutable std::set<std::string> asked;
};

struct Entry {
  std::string name;
  std::string summary; ///< one sentence, with the options it reads
  dsl::Kernel (*make)(const Options &);
};

/// Every kernel, in the order of the help text.
const std::vector<Entry> &allKernels();

/// The kernel of this name. Throws tilewright::Error, which lists what there
/// is, if there is no such kernel, or it reads no such option, or an option has
/// no such value.
dsl::Kernel makeKernel(const std::string &name, const Options &options);

} // namespace tilewright::kernels
