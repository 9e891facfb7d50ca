//===- DiagnosticText.h - Diagnostics as the text of an error ---*- C++ -*-===//
#pragma once

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"

namespace tilewright {

/// Collects what a context says while this lives, each as "file:line:column:
/// error: ...", followed by its notes.
class DiagnosticText {
public:
  explicit DiagnosticText(mlir::MLIRContext *context);

  bool isEmpty() const { return text.empty(); }
  /// All of it as an error; `otherwise` if nothing was said.
  llvm::Error takeError(const llvm::Twine &otherwise);

private:
  std::string text;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace tilewright
