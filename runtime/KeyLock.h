//===- KeyLock.h - One at a time for a key, among processes -----*- C++ -*-===//
#pragma once

#include "llvm/ADT/StringRef.h"

#include <chrono>
#include <optional>
#include <utility>

namespace tilewright {

/// Held by one thread of all processes of a machine for a key, until it is
/// destroyed or its process ends, however that ends.
///
/// A byte of a file, whose place follows from the key, locked by the kernel.
/// (llvm::LockFileManager removes the lock file that it could not read, which
/// another process may have made in the meantime: with twelve processes, one
/// time in twelve two of them went on.)
class KeyLock {
public:
  /// Waits for the key in `folder`, which exists, `patience` at most; nullopt
  /// then, or where the file system has no locks.
  static std::optional<KeyLock> acquire(llvm::StringRef folder,
                                        llvm::StringRef key,
                                        std::chrono::milliseconds patience);
  KeyLock(KeyLock &&other) noexcept : file(other.file) { other.file = -1; }
  KeyLock &operator=(KeyLock &&other) noexcept {
    std::swap(file, other.file);
    return *this;
  }
  ~KeyLock();

private:
  explicit KeyLock(int file) : file(file) {}
  int file;
};

} // namespace tilewright
