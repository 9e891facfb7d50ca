//===- Options.cpp - What subcommands share -------------------------------===//
#include "bench/Options.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tilewright {

void parseOptions(int argc, char **argv, cl::OptionCategory &category,
                  StringRef overview) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, overview);
}

Pairs parsePairs(ArrayRef<std::string> entries) {
  Pairs pairs;
  for (StringRef entry : entries) {
    auto [name, value] = entry.split('=');
    if (!entry.trim().empty())
      pairs[name.trim().str()] = value.trim().str();
  }
  return pairs;
}

bool hasTunables(const dsl::Configuration &configuration, const Pairs &wanted) {
  return llvm::all_of(wanted, [&](const auto &pair) {
    auto at = configuration.tunables.find(pair.first);
    return at != configuration.tunables.end() &&
           std::to_string(at->second) == pair.second;
  });
}

Error writeJson(StringRef path, const json::Value &value) {
  // Writes beside it, then renames.
  Error error = writeToOutput(path, [&](raw_ostream &os) {
    os << formatv("{0:2}", value) << "\n";
    return Error::success();
  });
  if (!error)
    return error;
  return createStringError("cannot write '" + path +
                           "': " + toString(std::move(error)));
}

int fail(Error error) {
  handleAllErrors(std::move(error), [](const ErrorInfoBase &info) {
    WithColor::error(errs(), "tilewright") << info.message() << "\n";
  });
  return 1;
}

} // namespace tilewright
