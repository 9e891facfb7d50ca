//===- PlanJson.h - Launch plans as JSON ------------------------*- C++ -*-===//
//
// The written form of a launch plan: in the kernel cache, and wherever a plan
// is shown.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace tilewright {

llvm::json::Value toJson(const LaunchPlan &plan);

/// Fails, naming the place, if `value` is no launch plan.
llvm::Expected<LaunchPlan> planFromJson(const llvm::json::Value &value);

} // namespace tilewright
