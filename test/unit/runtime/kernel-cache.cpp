//===- kernel-cache.cpp - Compiled kernels on disk --------------*- C++ -*-===//
#include "Plans.h"
#include "Text.h"
#include "runtime/KernelCache.h"
#include "runtime/KeyLock.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace tilewright;
namespace fs = llvm::sys::fs;

namespace {

KernelImage exampleImage() {
  KernelImage image;
  image.kernel.plan = attentionPlan();
  image.kernel.ptx = "// ptx\n.entry attend\n";
  image.kernel.bitcode = std::string("BC\0\1", 4);
  image.kernel.compileMs = 12.5;
  image.cubin = std::string("\177ELF\0\n\n", 7);
  image.assemblerLog = "Used 32 registers\n";
  image.object = "an object file";
  image.before.push_back(image);
  image.before.front().kernel.ptx = "// ptx of the one in front\n";
  return image;
}

struct KernelCacheTest : testing::Test {
  llvm::SmallString<128> folder;
  std::string key = KernelCache::key({"ir", "sm_90a", "12040", "1"});
  int builds = 0;

  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("tilewright-cache", folder));
  }
  void TearDown() override { fs::remove_directories(folder); }

  KernelCache cache() { return KernelCache(folder.str().str()); }

  llvm::Expected<KernelImage> build() {
    ++builds;
    return exampleImage();
  }

  /// Finds or builds in a new cache object; says whether it was found.
  bool found(KernelCache cache) {
    bool wasFound = false;
    auto image = cache.findOrBuild(key, [&] { return build(); }, &wasFound);
    EXPECT_TRUE(bool(image));
    EXPECT_EQ(image->cubin, exampleImage().cubin);
    EXPECT_EQ(image->kernel.plan.args[0].name, "q");
    return wasFound;
  }
};

TEST_F(KernelCacheTest, KeysKeepPartsApart) {
  EXPECT_NE(KernelCache::key({"a", "b"}), KernelCache::key({"ab", ""}));
  EXPECT_NE(KernelCache::key({"a", "b"}), KernelCache::key({"b", "a"}));
  EXPECT_EQ(KernelCache::key({"a", "b"}), KernelCache::key({"a", "b"}));
  EXPECT_EQ(key.size(), 64u);
}

TEST_F(KernelCacheTest, ImageRoundTrip) {
  KernelImage image = exampleImage();
  KernelImage again = llvm::cantFail(readImage(writeImage(image)));
  EXPECT_EQ(writeImage(again), writeImage(image));
  EXPECT_EQ(again.kernel.ptx, image.kernel.ptx);
  EXPECT_EQ(again.kernel.bitcode, image.kernel.bitcode);
  EXPECT_EQ(again.cubin, image.cubin);
  ASSERT_EQ(again.before.size(), 1u);
  EXPECT_EQ(again.before[0].kernel.ptx, image.before[0].kernel.ptx);
  EXPECT_EQ(again.assemblerLog, image.assemblerLog);
  EXPECT_EQ(again.object, image.object);
  EXPECT_EQ(again.kernel.compileMs, 12.5);
}

TEST_F(KernelCacheTest, Keeps) {
  EXPECT_FALSE(found(cache()));
  EXPECT_TRUE(found(cache()));
  EXPECT_EQ(builds, 1);
  // No temporary file is left behind; the locks of all keys are in one file,
  // which stays empty.
  std::error_code code;
  int entries = 0, locks = 0, others = 0;
  for (fs::recursive_directory_iterator it(folder, code), end;
       it != end && !code; it.increment(code))
    if (it->type() == fs::file_type::regular_file) {
      llvm::StringRef name = llvm::sys::path::filename(it->path());
      uint64_t bytes = 0;
      EXPECT_FALSE(fs::file_size(it->path(), bytes));
      ++(name.starts_with("llvmcache-")  ? entries
         : name == "locks" && bytes == 0 ? locks
                                         : others);
    }
  EXPECT_EQ(entries, 1);
  EXPECT_EQ(locks, 1);
  EXPECT_EQ(others, 0);
}

TEST_F(KernelCacheTest, WhatWasUsedLeastRecentlyGoes) {
  KernelImage image = exampleImage();
  image.kernel.ptx = std::string(100000, 'x');
  KernelCache cache(folder.str().str(), 450000); // four entries
  auto keyOf = [](int i) {
    return KernelCache::key({"ir", std::to_string(i)});
  };
  auto age = [&](int i, int seconds) {
    int file = open(cache.pathOf(keyOf(i)).c_str(), O_RDWR);
    auto time =
        std::chrono::system_clock::now() - std::chrono::seconds(seconds);
    EXPECT_FALSE(fs::setLastAccessAndModificationTime(file, time));
    close(file);
  };
  for (int i = 0; i < 4; ++i) {
    cache.store(keyOf(i), image);
    age(i, 1000 - i); // 0 is the oldest
  }
  EXPECT_TRUE(cache.find(keyOf(0)).has_value()); // and now the newest
  cache.store(keyOf(4), image);
  cache.store(keyOf(5), image);
  std::string left;
  for (int i = 0; i < 6; ++i)
    if (cache.find(keyOf(i)))
      left += std::to_string(i);
  EXPECT_EQ(left, "0345");

  // Without a limit everything stays.
  KernelCache unlimited(folder.str().str());
  for (int i = 0; i < 9; ++i)
    unlimited.store(keyOf(i), image);
  for (int i = 0; i < 9; ++i)
    EXPECT_TRUE(unlimited.find(keyOf(i)).has_value());
}

TEST_F(KernelCacheTest, FailureIsNotKept) {
  KernelCache cache = this->cache();
  EXPECT_EQ(
      textOf(cache.findOrBuild(
          key, [] { return llvm::createStringError("does not compile"); })),
      "does not compile");
  EXPECT_FALSE(found(this->cache()));
}

/// Every way to damage a file: any byte changed, any length cut.
TEST_F(KernelCacheTest, DamageIsSeen) {
  std::string file = writeImage(exampleImage());
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] ^= 0x20;
    EXPECT_NE(textOf(readImage(damaged)), "success") << "byte " << i;
    EXPECT_NE(textOf(readImage(file.substr(0, i))), "success")
        << "length " << i;
  }
  EXPECT_NE(textOf(readImage(file + "x")), "success");
}

TEST_F(KernelCacheTest, DamagedEntryIsRebuilt) {
  EXPECT_FALSE(found(cache()));
  {
    std::error_code code;
    llvm::raw_fd_ostream os(cache().pathOf(key), code, fs::CD_OpenExisting);
    os << "garbage";
  }
  EXPECT_FALSE(found(cache()));
  EXPECT_TRUE(found(cache()));
  EXPECT_EQ(builds, 2);
}

TEST_F(KernelCacheTest, UnwritableFolder) {
  // A file where the folder should be: nobody, not even root, can write there.
  llvm::SmallString<128> file(folder);
  llvm::sys::path::append(file, "file");
  {
    std::error_code code;
    llvm::raw_fd_ostream os(file, code);
    os << "in the way";
  }
  KernelCache cache(file.str().str());
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(bool(cache.findOrBuild(key, [&] { return build(); })));
  std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(builds, 3);
  EXPECT_CONTAINS(text, "warning: the kernel cache '");
  EXPECT_CONTAINS(text, "TILEWRIGHT_CACHE_DIR");
  EXPECT_EQ(text.find("warning"), text.rfind("warning")) << text;
}

TEST_F(KernelCacheTest, FullDisk) {
  // A limit on the size of files fails a write as a full disk does.
  std::string path = cache().pathOf(key);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    struct rlimit limit = {16, 16};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    KernelCache cache = this->cache();
    bool ok = bool(cache.findOrBuild(key, [&] { return build(); }));
    ok &= !fs::exists(path);
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  char text[1000];
  ssize_t size = read(ends[0], text, sizeof text);
  close(ends[0]);
  close(ends[1]);
  ASSERT_GT(size, 0);
  EXPECT_CONTAINS(std::string(text, size_t(size)),
                  "cannot be used: File too large; kernels are compiled at "
                  "every start");
}

TEST_F(KernelCacheTest, NoFolderMeansNoCache) {
  EXPECT_FALSE(found(KernelCache("")));
  EXPECT_FALSE(found(KernelCache("")));
}

TEST_F(KernelCacheTest, ManyProcesses) {
  // Each notes its builds in one file, a byte a build.
  llvm::SmallString<128> log(folder);
  llvm::sys::path::append(log, "builds");
  constexpr int processes = 12, keys = 3;
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    KernelCache cache = this->cache();
    bool ok = true;
    for (int k = 0; k < keys; ++k) {
      std::string key = KernelCache::key({"ir", std::to_string(k)});
      auto image = cache.findOrBuild(key, [&]() -> llvm::Expected<KernelImage> {
        int file = open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
        ok &= write(file, "x", 1) == 1;
        close(file);
        usleep(50000);
        KernelImage image = exampleImage();
        image.kernel.ptx = std::string(1 << 20, 'a' + k);
        return image;
      });
      ok &= bool(image) && image->kernel.ptx == std::string(1 << 20, 'a' + k);
    }
    _exit(ok ? 0 : 1);
  }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  auto text = llvm::MemoryBuffer::getFile(log);
  ASSERT_TRUE(bool(text));
  EXPECT_EQ((*text)->getBufferSize(), size_t(keys));
}

TEST_F(KernelCacheTest, LockIsForOneKey) {
  using std::chrono::milliseconds;
  std::optional<KeyLock> one = KeyLock::acquire(folder, "one", milliseconds(0));
  ASSERT_TRUE(one);
  EXPECT_FALSE(KeyLock::acquire(folder, "one", milliseconds(30)));
  EXPECT_TRUE(KeyLock::acquire(folder, "two", milliseconds(0)));
  // Who waits gets it as soon as it is free.
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(30));
    one.reset();
  });
  EXPECT_TRUE(KeyLock::acquire(folder, "one", std::chrono::seconds(20)));
  other.join();
  EXPECT_FALSE(
      KeyLock::acquire(std::string(folder) + "/none", "one", milliseconds(0)));
}

TEST_F(KernelCacheTest, ManyThreads) {
  KernelCache cache = this->cache();
  std::atomic<int> built = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      auto image = cache.findOrBuild(key, [&]() -> llvm::Expected<KernelImage> {
        ++built;
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        return exampleImage();
      });
      EXPECT_TRUE(bool(image));
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(built, 1);
}

} // namespace
