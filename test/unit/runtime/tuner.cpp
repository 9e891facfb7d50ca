//===- tuner.cpp - Choosing the fastest of several kernels ------*- C++ -*-===//
#include "runtime/Tuner.h"
#include "Text.h"

#include <chrono>

using namespace tilewright;
using Status = TunerRow::Status;

namespace {

/// There is nothing that gets hot here.
const TunerOptions cool = [] {
  TunerOptions options;
  options.restMs = options.restInTurnsMs = 0;
  return options;
}();

Candidate candidate(std::string name, double us) {
  return {name, [=]() -> llvm::Expected<Trial> {
            return Trial{
                [] { return llvm::Error::success(); },
                [=]() -> llvm::Expected<Timing> { return summarize({us}); }};
          }};
}

Candidate wrong(std::string name) {
  return {name, [=]() -> llvm::Expected<Trial> {
            return Trial{
                [] { return llvm::createStringError("error 0.5 at [3]"); },
                [=]() -> llvm::Expected<Timing> {
                  ADD_FAILURE() << "a wrong kernel is not timed";
                  return Timing();
                }};
          }};
}

Candidate driverError(std::string name, int code) {
  return {name, [=]() -> llvm::Expected<Trial> {
            return Trial{[] { return llvm::Error::success(); },
                         [=]() -> llvm::Expected<Timing> {
                           return llvm::make_error<cuda::DriverError>(code,
                                                                      "driver");
                         }};
          }};
}

TEST(TunerTest, PicksTheFastest) {
  std::vector<Candidate> candidates;
  candidates.push_back(candidate("slow", 30));
  candidates.push_back(candidate("fast", 10));
  candidates.push_back({"broken", []() -> llvm::Expected<Trial> {
                          return llvm::createStringError("no registers");
                        }});
  candidates.push_back(wrong("wrong"));
  candidates.push_back(driverError("large", cuda::errorOutOfMemory));
  candidates.push_back(candidate("medium", 20));
  int calls = 0;
  TunerOptions options = cool;
  options.progress = [&](int done, int total, const TunerRow &) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 12);
  };
  TunerResult result = tune(candidates, options);
  EXPECT_EQ(calls, 12);
  ASSERT_EQ(result.rows.size(), 6u);
  EXPECT_EQ(result.best, 1);
  EXPECT_EQ(result.rows[1].timing.medianUs, 10);
  EXPECT_EQ(result.rows[2].status, Status::compileFailed);
  EXPECT_EQ(result.rows[2].reason, "no registers");
  EXPECT_EQ(result.rows[3].status, Status::wrong);
  EXPECT_EQ(result.rows[3].reason, "error 0.5 at [3]");
  EXPECT_EQ(result.rows[4].status, Status::outOfMemory);
  EXPECT_EQ(statusText(result.rows[4].status), "out of memory");
  EXPECT_EQ(result.rows[5].status, Status::ok);
}

/// Takes the next of `times` in each measurement, and then the last one.
Candidate varying(std::string name, std::vector<double> times) {
  auto left =
      std::make_shared<std::vector<double>>(times.rbegin(), times.rend());
  return {name, [=]() -> llvm::Expected<Trial> {
            return Trial{[] { return llvm::Error::success(); },
                         [=]() -> llvm::Expected<Timing> {
                           double us = left->back();
                           if (left->size() > 1)
                             left->pop_back();
                           return summarize({us});
                         }};
          }};
}

TEST(TunerTest, TheBestFewAreTimedInTurns) {
  // The first one is measured on a cold device, and in truth is the slower.
  TunerResult result =
      tune({varying("cold", {100, 106, 104, 107}),
            varying("hot", {103, 101, 103, 102}), varying("far", {120, 1}),
            varying("fifth", {105.9, 1}), varying("fourth", {105.8, 105.7}),
            varying("third", {104, 105, 105})},
           cool);
  EXPECT_EQ(result.best, 1);
  EXPECT_EQ(result.rows[0].timing.medianUs, 106);
  EXPECT_EQ(result.rows[1].timing.medianUs, 102);
  EXPECT_TRUE(result.rows[1].inTurns);
  EXPECT_EQ(result.rows[2].timing.medianUs, 120);
  EXPECT_FALSE(result.rows[2].inTurns);
  EXPECT_EQ(result.rows[3].timing.medianUs, 105.9);
  EXPECT_EQ(result.rows[4].timing.medianUs, 105.7);
  EXPECT_EQ(result.rows[5].timing.medianUs, 105);

  TunerOptions once = cool;
  once.turns = 0;
  EXPECT_EQ(tune({varying("cold", {100, 1}), varying("hot", {103, 1})}, once)
                .rows[1]
                .timing.medianUs,
            103);
}

TEST(TunerTest, WithoutMemoryForTurnsFirstTimesDecide) {
  Candidate once = candidate("once", 100);
  auto calls = std::make_shared<int>(0);
  once.compile = [=, compile = once.compile]() -> llvm::Expected<Trial> {
    if ((*calls)++)
      return llvm::make_error<cuda::DriverError>(cuda::errorOutOfMemory,
                                                 "driver");
    return compile();
  };
  TunerResult result = tune({varying("other", {101, 1}), once}, cool);
  EXPECT_EQ(result.best, 1);
  EXPECT_EQ(result.rows[0].timing.medianUs, 101);
  EXPECT_FALSE(result.rows[0].inTurns);
}

TEST(TunerTest, RestsBeforeItMeasures) {
  TunerOptions options;
  options.restMs = 5;
  options.restInTurnsMs = 10;
  options.turns = 2;
  auto start = std::chrono::steady_clock::now();
  tune({candidate("a", 10), candidate("b", 10), candidate("far", 20)}, options);
  EXPECT_GE(std::chrono::steady_clock::now() - start,
            std::chrono::milliseconds(3 * 5 + 2 * 2 * 10));
}

TEST(TunerTest, WhatFailsInItsTurnIsOut) {
  auto failing = [](int code) {
    auto calls = std::make_shared<int>(0);
    return Candidate{
        "failing", [=]() -> llvm::Expected<Trial> {
          return Trial{[] { return llvm::Error::success(); },
                       [=]() -> llvm::Expected<Timing> {
                         if ((*calls)++)
                           return llvm::make_error<cuda::DriverError>(code,
                                                                      "driver");
                         return summarize({100});
                       }};
        }};
  };
  for (int code : {cuda::errorOutOfMemory, cuda::errorIllegalAddress}) {
    TunerResult result = tune(
        {failing(code), varying("good", {101}), varying("next", {102})}, cool);
    EXPECT_EQ(result.best, 1);
    EXPECT_NE(result.rows[0].status, Status::ok);
    EXPECT_EQ(result.rows[0].timing.samples, 0);
    EXPECT_EQ(result.rows[2].status, Status::ok);
  }
}

TEST(TunerTest, NothingWorks) {
  EXPECT_EQ(tune({}).best, -1);
  EXPECT_EQ(tune({wrong("a")}, cool).best, -1);
}

TEST(TunerTest, LostDevice) {
  TunerResult result = tune({candidate("first", 30),
                             driverError("killer", cuda::errorIllegalAddress),
                             candidate("after", 10)},
                            cool);
  EXPECT_EQ(result.best, 0);
  EXPECT_EQ(result.rows[1].status, Status::measureFailed);
  EXPECT_EQ(result.rows[2].status, Status::deviceLost);
  EXPECT_CONTAINS(result.rows[2].reason, "candidate 'killer' destroyed");
}

TEST(TunerTest, MemoryIsFreedBetweenCandidates) {
  int alive = 0, most = 0;
  std::vector<Candidate> candidates;
  for (int i = 0; i < 4; ++i)
    candidates.push_back(
        {"x", [&]() -> llvm::Expected<Trial> {
           auto held = std::make_shared<std::shared_ptr<void>>();
           return Trial{
               [&, held] {
                 most = std::max(most, ++alive);
                 *held =
                     std::shared_ptr<void>(nullptr, [&](void *) { --alive; });
                 return llvm::Error::success();
               },
               []() -> llvm::Expected<Timing> { return summarize({1}); }};
         }});
  tune(candidates, cool);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(most, 1);
}

} // namespace
