//===- Run.h - `tilewright run` ---------------------------------*- C++ -*-===//
#pragma once

namespace tilewright {

/// Interprets a kernel of a .mlir file, tile or stage, on random inputs and
/// prints a line for each output, or, with --check, compares ways to run it.
/// Returns the exit status: 1 after an error or a difference.
int runInterpret(int argc, char **argv);

} // namespace tilewright
