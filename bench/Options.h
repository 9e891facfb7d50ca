//===- Options.h - What subcommands share -----------------------*- C++ -*-===//
#pragma once

#include "dsl/Schedule.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <string>

namespace tilewright {

/// Parses the options of one subcommand, which are those of `category`;
/// the many that LLVM itself registers stay out of its help. On a bad option
/// this reports it and ends the process.
void parseOptions(int argc, char **argv, llvm::cl::OptionCategory &category,
                  llvm::StringRef overview);

using Pairs = std::map<std::string, std::string>;

/// Entries such as "BM=128" or " BM = 128", by name; empty ones are left out.
Pairs parsePairs(llvm::ArrayRef<std::string> entries);

/// Has the configuration tunables of these names and values?
bool hasTunables(const dsl::Configuration &configuration, const Pairs &wanted);

/// Writes a value, and a newline, to a file ("-": standard output). A file is
/// replaced as a whole, or left as it was.
llvm::Error writeJson(llvm::StringRef path, const llvm::json::Value &value);

/// Prints "tilewright: error: ..." and returns 1.
int fail(llvm::Error error);

} // namespace tilewright
