//===- DiagnosticText.cpp - Diagnostics as the text of an error -----------===//
#include "codegen/dialect/DiagnosticText.h"
#include "mlir/IR/Location.h"

using namespace mlir;
using namespace tilewright;

DiagnosticText::DiagnosticText(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        llvm::raw_string_ostream os(text);
        auto print = [&](Diagnostic &one, StringRef kind) {
          if (auto file = one.getLocation()->findInstanceOf<FileLineColLoc>())
            os << file.getFilename().getValue() << ":" << file.getLine() << ":"
               << file.getColumn() << ": ";
          os << kind << ": " << one << "\n";
        };
        print(diagnostic, "error");
        // The whole operation is kilobytes of what the user did not write.
        for (Diagnostic &note : diagnostic.getNotes())
          if (!StringRef(note.str()).starts_with("see current operation"))
            print(note, "note");
        return success();
      }) {}

llvm::Error DiagnosticText::takeError(const llvm::Twine &otherwise) {
  std::string taken = std::exchange(text, "");
  return llvm::createStringError(
      taken.empty() ? otherwise.str() : StringRef(taken).rtrim().str());
}
