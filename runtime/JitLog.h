//===- JitLog.h - The buffers the driver's assembler writes to --*- C++ -*-===//
#pragma once

#include "runtime/DriverApi.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace tilewright {

/// The options of cuModuleLoadDataEx that give it two logs to fill.
class JitLog {
public:
  JitLog() {
    add(cuda::JitOption::infoLogBuffer, infoText.data());
    add(cuda::JitOption::infoLogBufferSizeBytes, number(infoText.size()));
    add(cuda::JitOption::errorLogBuffer, errorText.data());
    add(cuda::JitOption::errorLogBufferSizeBytes, number(errorText.size()));
    add(cuda::JitOption::logVerbose, number(1));
  }
  JitLog(const JitLog &) = delete;
  JitLog &operator=(const JitLog &) = delete;

  unsigned count() const { return names.size(); }
  cuda::JitOption *options() { return names.data(); }
  void **values() { return pointers.data(); }

  llvm::StringRef info() const { return infoText.c_str(); }
  llvm::StringRef errors() const { return errorText.c_str(); }

  /// The error of a failed call, with the log.
  llvm::Error makeError(const cuda::DriverApi &api, cuda::CUresult result,
                        llvm::StringRef call, llvm::StringRef kernel) const;

private:
  static void *number(size_t value) { return reinterpret_cast<void *>(value); }
  void add(cuda::JitOption name, void *value) {
    names.push_back(name);
    pointers.push_back(value);
  }

  std::string infoText = std::string(1 << 16, '\0');
  std::string errorText = std::string(1 << 14, '\0');
  llvm::SmallVector<cuda::JitOption, 5> names;
  llvm::SmallVector<void *, 5> pointers;
};

} // namespace tilewright
