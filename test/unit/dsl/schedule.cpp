//===- schedule.cpp - Tunables and the configurations they span -----------===//
#include "codegen/Error.h"
#include "kernels/Registry.h"
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::dsl;

namespace {

constexpr Axis M{"m"}, N{"n"};

TEST(Tune, Arithmetic) {
  Tune bm = tune("BM", {64, 128});
  Assignment a{{"BM", 128}};
  EXPECT_EQ((bm / 64).at(a), 2);
  EXPECT_EQ((bm * 2 + 1 - 7 % 4).at(a), 254);
  EXPECT_EQ((1 <= bm && bm != 128).at(a), 0);
  EXPECT_EQ((bm == 128 || bm < 3).at(a), 1);
  EXPECT_EQ((bm / 0).at(a), 0);
  EXPECT_EQ((bm * 128 <= bm).text(), "(BM * 128) <= BM");
}

TEST(Schedule, ReleaseEarly) {
  auto configurations =
      Schedule(sm90a).releaseEarly(tune("early", {0, 1})).configurations();
  ASSERT_EQ(configurations.size(), 2u);
  EXPECT_FALSE(configurations[0].early);
  EXPECT_TRUE(configurations[1].early);
  Kernel kernel = kernels::makeKernel("gemm", {});
  auto textOf = [&](const Configuration &configuration) {
    return kernel.configured(configuration).mlir();
  };
  EXPECT_EQ(textOf(configurations[0]).find("early"), std::string::npos);
  EXPECT_NE(textOf(configurations[1]).find("early = 1"), std::string::npos);
}

TEST(Schedule, SkipDead) {
  auto configurations =
      Schedule(sm90a).skipDead(tune("skip", {0, 1})).configurations();
  ASSERT_EQ(configurations.size(), 2u);
  Kernel kernel = kernels::makeKernel("gemm", {});
  EXPECT_EQ(kernel.configured(configurations[0]).mlir().find("skip"),
            std::string::npos);
  EXPECT_NE(kernel.configured(configurations[1]).mlir().find("skip = 1"),
            std::string::npos);
}

TEST(Schedule, Configurations) {
  Tune bm = tune("BM", {64, 128, 192}), bn = tune("BN", {64, 80});
  auto configurations =
      Schedule(sm90a)
          .tile(M, bm)
          .tile(N, bn)
          .stages(N, 3)
          .warpSpecialize({.producers = 1, .consumers = bm / 64 - 1})
          .require(bm * bn < 128 * 100, "too large")
          .configurations();
  ASSERT_EQ(configurations.size(), 6u);
  EXPECT_EQ(configurations[0].label(), "BM = 64, BN = 64");
  EXPECT_EQ(configurations[0].reason, "the number of consumers, (BM / 64) - 1, "
                                      "is 0: expected at least 1");
  const Configuration &good = configurations[3];
  EXPECT_TRUE(good.feasible());
  EXPECT_EQ(good.label(), "BM = 128, BN = 80");
  EXPECT_EQ(good.tile[0], std::pair(std::string("m"), int64_t(128)));
  EXPECT_EQ(good.stages[0], std::pair(std::string("n"), int64_t(3)));
  EXPECT_EQ(good.consumers, 1);
  EXPECT_EQ(good.producers, 1);
  EXPECT_EQ(configurations[5].reason, "too large ((BM * BN) < 12800)");
}

TEST(Schedule, AsksForExtents) {
  Tune bn = tune("BN", {64, 128});
  Schedule schedule = Schedule(sm90a).tile(N, bn).require(
      bn * extentOf(M) <= 8192, "too large");
  EXPECT_TRUE(schedule.configurations({{"m", 64}})[1].feasible());
  auto configurations = schedule.configurations({{"m", 128}});
  ASSERT_EQ(configurations.size(), 2u);
  EXPECT_TRUE(configurations[0].feasible());
  EXPECT_EQ(configurations[1].reason, "too large ((BN * extent(m)) <= 8192)");
  EXPECT_EQ(configurations[1].label(), "BN = 128");
  // Not told: 0.
  EXPECT_TRUE(schedule.configurations()[1].feasible());
}

TEST(Schedule, BadTunables) {
  EXPECT_THROW(tune("BM", {}), Error);
  EXPECT_THROW(tune("BM", {1}) + tune("BM", {2}), Error);
  EXPECT_THROW(Schedule(cpu)
                   .tile(M, tune("BM", {1}))
                   .tile(N, tune("BM", {2}))
                   .configurations(),
               Error);
}

TEST(Schedule, Clusters) {
  auto configurations = Schedule(sm90a)
                            .cluster(M, tune("cluster", {1, 2, 3, 4}))
                            .configurations();
  ASSERT_EQ(configurations.size(), 4u);
  EXPECT_TRUE(configurations[0].feasible());
  EXPECT_EQ(configurations[0].clusterAxis, "");
  EXPECT_TRUE(configurations[1].feasible());
  EXPECT_EQ(configurations[1].clusterAxis, "m");
  EXPECT_EQ(configurations[1].clusterBlocks, 2);
  EXPECT_EQ(configurations[2].reason,
            "the number of blocks of a cluster, cluster, is 3: expected 1, 2 "
            "or 4");
  EXPECT_TRUE(configurations[3].feasible());
  std::string text =
      kernels::makeKernel("gemm", {}).configured(configurations[1]).mlir();
  EXPECT_NE(text.find("cluster = {m = 2 : i64}"), std::string::npos) << text;
}

TEST(Schedule, OfAKernel) {
  Kernel flash = kernels::makeKernel("flash_forward", {});
  auto configurations = flash.configurations(sm90a);
  ASSERT_FALSE(configurations.empty());
  EXPECT_FALSE(flash.configurations(cpu).empty());
  EXPECT_TRUE(flash.configurations(Target{"sm_70"}).empty());
  EXPECT_EQ(flash.mlir().find("schedule"), std::string::npos);
  std::string text = flash.configured(configurations.front()).mlir();
  EXPECT_NE(text.find("schedule #tile.schedule<{m = 128 : i64, n = 64 : i64}, "
                      "consumers = 2, stages = {n = 4 : i64}"),
            std::string::npos)
      << text;
}

} // namespace
