//===- Commands.cpp - From the command line to a subcommand ---------------===//
#include "bench/Commands.h"
#include "bench/Options.h"
#include "codegen/tools/Opt.h"
#include "codegen/tools/Run.h"
#include "runtime/Environment.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tilewright;

namespace {

struct Command {
  StringLiteral name;
  StringLiteral summary;
  int (*run)(int argc, char **argv);
};

constexpr Command commands[] = {
    {"bench", "kernels tuned, checked and timed beside references", runBench},
    {"compile", "a kernel of the DSL, as MLIR", runCompile},
    {"info", "what this machine offers", runInfo},
    {"opt", "the passes, one by one, on MLIR text", runOpt},
    {"run", "interprets a kernel on random inputs", runInterpret},
    {"selftest", "tests of the devices present", runSelfTest},
};

void printUsage(raw_ostream &os) {
  os << "usage: tilewright COMMAND [options]\n\n";
  for (const Command &command : commands)
    os << formatv("  {0,-10}{1}\n", command.name, command.summary);
  os << "\n  tilewright COMMAND --help   options of a command\n"
        "  tilewright --help-env       environment variables\n";
}

} // namespace

int tilewright::runCommand(int argc, char **argv) {
  InitLLVM init(argc, argv);
  StringRef name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h") {
    printUsage(outs());
    return 0;
  }
  if (name == "--help-env") {
    env::print(outs());
    return 0;
  }
  for (const Command &command : commands) {
    if (name != command.name)
      continue;
    // A misspelt knob is worth a word, and no more.
    handleAllErrors(env::check(), [](const ErrorInfoBase &info) {
      errs() << "tilewright: warning: " << info.message() << "\n";
    });
    std::string spelling = ("tilewright " + name).str();
    SmallVector<char *> arguments{spelling.data()};
    arguments.append(argv + 2, argv + argc + 1); // with the null at the end
    return command.run(argc - 1, arguments.data());
  }
  if (!name.empty())
    errs() << "tilewright: error: no command '" << name << "'\n";
  printUsage(errs());
  return 2;
}
