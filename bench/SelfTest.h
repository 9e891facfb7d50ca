//===- SelfTest.h - What a self-test is -------------------------*- C++ -*-===//
#pragma once

#include "llvm/Support/Error.h"

#include <functional>
#include <string>

namespace tilewright {

struct SelfTest {
  std::string name; ///< "group: what is tested"
  bool needsGpu = false;
  bool quick = false; ///< small enough to run under a sanitizer
  /// An empty text if it passes, else why it does not apply here.
  std::function<llvm::Expected<std::string>()> run;
};

struct TestResult {
  enum class Status : uint8_t { passed, failed, skipped };
  Status status = Status::passed;
  std::string message; ///< why it failed or was skipped; what it found
};

} // namespace tilewright
