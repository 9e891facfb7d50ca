//===- Run.h - Runs a kernel given as text ----------------------*- C++ -*-===//
#pragma once

#include "codegen/interpret/TileInterpreter.h"
#include "test/numeric/Zoo.h"
#include <gtest/gtest.h>

namespace tilewright::test {

inline std::string textOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "";
}

/// Runs the kernel and gives what is then in argument `output`.
inline std::vector<double> run(const std::string &text, Arguments arguments,
                               const TileOptions &options = {},
                               const std::string &output = "y") {
  ParsedKernel parsed = parseKernel(text);
  EXPECT_EQ(textOf(interpretTile(parsed.kernel, arguments, options)), "");
  return arguments[output].values;
}

inline std::string errorOf(const std::string &text, Arguments arguments,
                           const TileOptions &options = {}) {
  ParsedKernel parsed = parseKernel(text);
  return textOf(interpretTile(parsed.kernel, arguments, options));
}

inline HostTensor vectorOf(std::vector<double> values,
                           DType type = DType::f32) {
  return {type, {static_cast<int64_t>(values.size())}, std::move(values)};
}

inline TileOptions tiles(std::map<std::string, int64_t> tile) {
  TileOptions options;
  options.tile = std::move(tile);
  return options;
}

} // namespace tilewright::test
