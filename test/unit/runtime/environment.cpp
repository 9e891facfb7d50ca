//===- environment.cpp - The environment knobs ------------------*- C++ -*-===//
#include "runtime/Environment.h"
#include "Text.h"

#include <cstdlib>

using namespace tilewright;

namespace {

struct Set {
  const char *name;
  Set(const char *name, const char *value) : name(name) {
    setenv(name, value, 1);
  }
  ~Set() { unsetenv(name); }
};

TEST(Environment, Reads) {
  EXPECT_TRUE(env::cache());
  EXPECT_EQ(env::cpuThreads(), 0);
  Set cache("TILEWRIGHT_CACHE", "off");
  Set threads("TILEWRIGHT_CPU_THREADS", "3");
  EXPECT_FALSE(env::cache());
  EXPECT_EQ(env::cpuThreads(), 3);
  EXPECT_EQ(textOf(env::check()), "success");
}

TEST(Environment, Misspelt) {
  Set cache("TILEWRIGHT_CASHE", "0");
  std::string text = textOf(env::check());
  EXPECT_CONTAINS(text, "unknown environment variable TILEWRIGHT_CASHE: "
                        "expected one of TILEWRIGHT_CACHE, ");
}

TEST(Environment, BadValue) {
  Set threads("TILEWRIGHT_CPU_THREADS", "many");
  EXPECT_EQ(env::cpuThreads(), 0);
  EXPECT_EQ(textOf(env::check()),
            "environment variable TILEWRIGHT_CPU_THREADS: expected a value of "
            "type int, got 'many'");
}

TEST(Environment, Prints) {
  std::string text;
  llvm::raw_string_ostream os(text);
  env::print(os);
  EXPECT_CONTAINS(text, "TILEWRIGHT_CACHE (bool, default 1)\n    Keep");
  EXPECT_CONTAINS(text, "TILEWRIGHT_CACHE_DIR (string, default empty");
}

} // namespace
