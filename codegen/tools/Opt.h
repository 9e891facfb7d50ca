//===- Opt.h - `tilewright opt` ---------------------------------*- C++ -*-===//
#pragma once

namespace mlir {
class DialectRegistry;
}

namespace tilewright {

/// Every dialect that a kernel passes through on its way down.
void registerDialects(mlir::DialectRegistry &registry);

/// An MLIR opt tool with our dialects and passes, and those of upstream that
/// the pipelines use. Returns the exit status.
int runOpt(int argc, char **argv);

} // namespace tilewright
