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
  std::error_code error;
  raw_fd_ostream os(path, error);
  if (error)
    return createStringError(error, "cannot write '%s': %s", path.str().c_str(),
                             error.message().c_str());
  os << formatv("{0:2}", value) << "\n";
  return Error::success();
}

int fail(Error error) {
  handleAllErrors(std::move(error), [](const ErrorInfoBase &info) {
    WithColor::error(errs(), "tilewright") << info.message() << "\n";
  });
  return 1;
}

} // namespace tilewright
