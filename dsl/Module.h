//===- Module.h - A finished kernel, as MLIR --------------------*- C++ -*-===//
//
// For the compiler: what is behind Kernel::module(). User code does not
// include this file.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "dsl/Schedule.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/IntrusiveRefCntPtr.h"

namespace tilewright::dsl::detail {

/// The module of one kernel. Its context, in which only the tile dialect is
/// loaded, may be shared by kernels that differ in their schedules; threads
/// that run passes read it into contexts of their own.
struct Module : llvm::ThreadSafeRefCountedBase<Module> {
  std::shared_ptr<mlir::MLIRContext> context;
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> owner;
  std::string name;
  std::vector<Schedule> schedules;

  mlir::ModuleOp module() const { return **owner; }

  tile::KernelOp kernel() const;
};

/// The attribute that states a configuration in the IR.
tile::ScheduleAttr scheduleAttr(mlir::MLIRContext *context,
                                const Configuration &configuration);

} // namespace tilewright::dsl::detail
