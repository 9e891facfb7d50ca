//===- Zoo.h - The kernels of test/zoo for tests in C++ ---------*- C++ -*-===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "codegen/interpret/Executor.h"
#include <iosfwd>

namespace tilewright::test {

/// A kernel parsed from text, with the context that it lives in.
struct ParsedKernel {
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  tile::KernelOp kernel;
};

/// The kernel of test/zoo/NAME.mlir, or the first one of `text`. Throws
/// std::runtime_error with the diagnostics.
ParsedKernel loadZoo(const std::string &name);
ParsedKernel parseKernel(const std::string &text);

/// A zoo kernel and a problem for it.
struct ZooCase {
  std::string name;
  std::map<std::string, int64_t> extents;
  std::map<std::string, double> scalars;
};
std::ostream &operator<<(std::ostream &stream, const ZooCase &zooCase);

/// Every kernel of the zoo, each at several awkward extents.
std::vector<ZooCase> zooCases();

/// For the name of a parameterised test.
std::string testNameOf(const ZooCase &zooCase);

} // namespace tilewright::test
