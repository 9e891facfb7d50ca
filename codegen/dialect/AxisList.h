//===- AxisList.h - Parsing and printing of axis lists ----------*- C++ -*-===//
//
// `[b, m = 128]`: names, each with an extent where it is bound. Shared by the
// types and the ops of both dialects.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/OpImplementation.h"

namespace tilewright {

mlir::ParseResult parseAxisName(mlir::AsmParser &parser,
                                mlir::StringAttr &name);
void printAxisName(mlir::AsmPrinter &printer, mlir::StringAttr name);

/// Unknown extents are mlir::ShapedType::kDynamic.
mlir::ParseResult parseAxes(mlir::AsmParser &parser,
                            llvm::SmallVectorImpl<mlir::StringAttr> &axes,
                            llvm::SmallVectorImpl<int64_t> &extents);
void printAxes(mlir::AsmPrinter &printer, llvm::ArrayRef<mlir::StringAttr> axes,
               llvm::ArrayRef<int64_t> extents);

// The custom<...> directives of the .td files.
mlir::ParseResult parseAxisList(mlir::OpAsmParser &parser,
                                mlir::ArrayAttr &axes,
                                mlir::DenseI64ArrayAttr &extents);
void printAxisList(mlir::OpAsmPrinter &printer, mlir::Operation *,
                   mlir::ArrayAttr axes, mlir::DenseI64ArrayAttr extents);
mlir::ParseResult parsePosition(mlir::OpAsmParser &parser,
                                mlir::ArrayAttr &axes);
void printPosition(mlir::OpAsmPrinter &printer, mlir::Operation *,
                   mlir::ArrayAttr axes);
mlir::ParseResult parseAxisName(mlir::OpAsmParser &parser,
                                mlir::StringAttr &name);
void printAxisName(mlir::OpAsmPrinter &printer, mlir::Operation *,
                   mlir::StringAttr name);

/// The optional list of a fold: `segments(full %a to %b, partial %c to %d)`.
mlir::ParseResult parseSegments(
    mlir::OpAsmParser &parser,
    llvm::SmallVectorImpl<mlir::OpAsmParser::UnresolvedOperand> &bounds,
    mlir::DenseI32ArrayAttr &kinds);
void printSegments(mlir::OpAsmPrinter &printer, mlir::Operation *,
                   mlir::OperandRange bounds, mlir::DenseI32ArrayAttr kinds);

/// The argument list of a kernel: `(in %q: type, out %o: type, ...)`, shared
/// by tile.kernel and stage.kernel.
mlir::ParseResult
parseKernelArguments(mlir::OpAsmParser &parser,
                     llvm::SmallVectorImpl<mlir::OpAsmParser::Argument> &args,
                     mlir::ArrayAttr &names, mlir::DenseI32ArrayAttr &kinds);
void printKernelArguments(mlir::OpAsmPrinter &printer, mlir::Block &body,
                          llvm::ArrayRef<int32_t> kinds);

/// Checks that names, kinds and types of a kernel's arguments go together.
mlir::LogicalResult verifyKernelArguments(mlir::Operation *op,
                                          mlir::Block &body,
                                          mlir::ArrayAttr names,
                                          llvm::ArrayRef<int32_t> kinds);

} // namespace tilewright
