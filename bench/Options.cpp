//===- Options.cpp - What subcommands share -------------------------------===//
#include "bench/Options.h"

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
