//===- Compile.cpp - `tilewright compile` ---------------------------------===//
#include "bench/Commands.h"
#include "bench/Options.h"
#include "codegen/Error.h"
#include "kernels/Registry.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace tilewright;

int tilewright::runCompile(int argc, char **argv) {
  cl::OptionCategory category("tilewright compile");
  cl::opt<std::string> kernelName("kernel", cl::cat(category),
                                  cl::desc("which kernel (see --list)"),
                                  cl::value_desc("name"));
  cl::list<std::string> settings(
      "with", cl::cat(category), cl::CommaSeparated,
      cl::desc("options of the kernel: --with=mask=causal,dtype=f16"),
      cl::value_desc("name=value"));
  cl::opt<bool> list("list", cl::cat(category),
                     cl::desc("list the kernels and what they read"));
  cl::opt<bool> locations("locations", cl::cat(category),
                          cl::desc("print where each op was written"));
  parseOptions(argc, argv, category, "Writes a kernel of the DSL as MLIR.\n");

  if (list) {
    for (const kernels::Entry &entry : kernels::allKernels())
      outs() << formatv("  {0,-18}{1}\n", entry.name, entry.summary);
    return 0;
  }
  kernels::Options options;
  for (StringRef setting : settings) {
    auto [name, value] = setting.split('=');
    options[name.str()] = value.str();
  }
  try {
    outs() << kernels::makeKernel(kernelName, options).mlir(locations);
  } catch (const Error &error) {
    errs() << "tilewright: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
