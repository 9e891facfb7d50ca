//===- Options.h - What subcommands share -----------------------*- C++ -*-===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace tilewright {

/// Parses the options of one subcommand, which are those of `category`;
/// the many that LLVM itself registers stay out of its help. On a bad option
/// this reports it and ends the process.
void parseOptions(int argc, char **argv, llvm::cl::OptionCategory &category,
                  llvm::StringRef overview);

/// Writes a value, and a newline, to a file ("-": standard output). A file is
/// replaced as a whole, or left as it was.
llvm::Error writeJson(llvm::StringRef path, const llvm::json::Value &value);

/// Prints "tilewright: error: ..." and returns 1.
int fail(llvm::Error error);

} // namespace tilewright
