//===- KeyLock.cpp - One at a time for a key, among processes -------------===//
#include "runtime/KeyLock.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace std::chrono;

namespace tilewright {

std::optional<KeyLock> KeyLock::acquire(StringRef folder, StringRef key,
                                        milliseconds patience) {
  SmallString<128> path(folder);
  sys::path::append(path, "locks");
  int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0)
    return std::nullopt;
  KeyLock lock(file);
  // Of the open file, not of the process: threads exclude each other, too.
  struct flock byte = {};
  byte.l_type = F_WRLCK;
  byte.l_whence = SEEK_SET;
  byte.l_start = off_t(xxh3_64bits(key) >> 2);
  byte.l_len = 1;
  auto deadline = steady_clock::now() + patience;
  milliseconds pause(1);
  while (fcntl(file, F_OFD_SETLK, &byte) != 0) {
    bool isTaken = errno == EAGAIN || errno == EACCES || errno == EINTR;
    if (!isTaken || steady_clock::now() > deadline)
      return std::nullopt;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, milliseconds(20));
  }
  return lock;
}

KeyLock::~KeyLock() {
  if (file >= 0)
    close(file);
}

} // namespace tilewright
