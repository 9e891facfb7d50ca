//===- KernelCache.h - Compiled kernels on disk -----------------*- C++ -*-===//
//
// A folder of compiled kernels, each under the hash of all that went into it.
// Any number of processes share it. A file appears whole, by renaming, and
// carries a checksum: what was damaged since is built anew. Beyond its limit,
// what was used least recently goes. A cache that cannot be written is no
// cache: it warns once and gets out of the way.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Kernel.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <atomic>
#include <optional>
#include <string>

namespace tilewright {

class KernelCache {
public:
  /// A cache in `folder`, which is made when first written to. An empty name
  /// means no cache. Its files are kept below `limitBytes`, to within a 64th;
  /// 0: no limit.
  explicit KernelCache(std::string folder, int64_t limitBytes = 0)
      : folder(std::move(folder)), limitBytes(limitBytes) {}

  /// The process's cache: TILEWRIGHT_CACHE, TILEWRIGHT_CACHE_DIR and
  /// TILEWRIGHT_CACHE_MIB.
  static KernelCache &process();

  /// The key of a kernel: SHA-256 over its parts, which are the IR (or PTX),
  /// the target, the driver's version, the compiler's version, and whatever
  /// else its code depends on. Parts are kept apart: ("a", "b") is not ("ab").
  static std::string key(llvm::ArrayRef<llvm::StringRef> parts);

  /// What is kept under `key`, if it is there and undamaged.
  std::optional<KernelImage> find(llvm::StringRef key);

  /// Keeps an image. Failing to is no error.
  void store(llvm::StringRef key, const KernelImage &image);

  /// What is kept under `key`, else what `build` makes, which is then kept.
  /// Of several processes or threads that want one key, one builds and the
  /// others wait, for a minute at most. `found` says whether it was there.
  llvm::Expected<KernelImage>
  findOrBuild(llvm::StringRef key,
              llvm::function_ref<llvm::Expected<KernelImage>()> build,
              bool *found = nullptr);

  /// The folder; empty if nothing is kept.
  llvm::StringRef location() const { return folder; }
  /// Where an entry is kept.
  std::string pathOf(llvm::StringRef key) const;

private:
  void warnOnce(const llvm::Twine &what);
  bool makeFolderOf(llvm::StringRef path);
  void prune(int64_t storedBytes);

  std::string folder;
  int64_t limitBytes;
  /// Bytes stored since the folder was last looked through; none ever: -1.
  std::atomic<int64_t> unprunedBytes = -1;
  std::atomic<bool> warned = false;
};

/// What tells this build of the compiler from any other, for keys: LLVM's
/// version, and the build id of the binary that holds it, or its size and time.
const std::string &compilerIdentity();

/// The kernel that `ir` compiles to for `target`, loaded: from the process's
/// cache, else by `compile`, assembled and kept. With a warm cache no compiler
/// runs. The IR must hold all that the code depends on.
llvm::Expected<std::unique_ptr<Kernel>>
loadCached(Device &device, llvm::StringRef ir, llvm::StringRef target,
           llvm::function_ref<llvm::Expected<CompiledKernel>()> compile,
           bool *found = nullptr);

/// The form of an entry's file, and back. Reading fails on any damage.
std::string writeImage(const KernelImage &image);
llvm::Expected<KernelImage> readImage(llvm::StringRef file);

} // namespace tilewright
