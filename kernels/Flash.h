//===- Flash.h - Attention, forward -----------------------------*- C++ -*-===//
#pragma once

#include "kernels/Folds.h"
#include "kernels/Modifiers.h"

namespace tilewright::kernels {

/// O = softmax(score(scale Q K^T)) V over the keys that the mask leaves, and
/// the logarithm of the softmax's denominator (LSE). A row without a key gives
/// 0 and -inf. T is the element type of Q, K, V and O.
template <class T = bf16> Kernel flashForward(ScoreMod score, MaskMod mask) {
  return kernel(
      "flash_forward(q, k, v, o, lse, scale)",
      [=](In<T, B, G, R, M, D> q, In<T, B, G, N, D> k, In<T, B, G, N, E> v,
          Out<T, B, G, R, M, E> o, Out<f32, B, G, R, M> lse,
          Positive<f32> scale) {
        parallel<B, G, R, M>([&](Point at) {
          auto qTile = load<M, D>(q, at);
          auto [m, l, acc] = fold<N>(
              at, mask, onlineSoftmax<M, E>(),
              [&](Point kv, auto m, auto l, auto acc) {
                auto s =
                    apply(score, dot<D>(qTile, load<N, D>(k, kv)) * scale, kv);
                auto mNew = max(m, max<N>(s));
                auto p = exp(s - mNew);
                auto alpha = exp(m - mNew);
                return carry(mNew, l * alpha + sum<N>(p),
                             acc * alpha +
                                 dot<N>(cast<T>(p), load<N, E>(v, kv)));
              });
          store(o, at, cast<T>(acc * where(l > 0, 1 / l, 0)));
          store(lse, at, m + log(l));
        });
      });
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

/// For elements of so many bytes. The tiles of a wide head are small ones. The
/// last queries have the most keys under a causal mask; a section is of heads
/// whose keys and values fit in the cache together. Two blocks may share what
/// they load of those: it takes less power, which is what long runs of wide
/// heads lack. Which order of a step is faster, and whether the edge of a mask
/// is worth the code that leaves it out, only measuring tells.
inline Schedule flashOnHopper(int64_t elementBytes = 2) {
  Tune bm = tune("BM", {128, 192, 256, 64}),
       bn = tune("BN", {64, 80, 96, 128, 160, 176, 48, 32, 16}),
       held = tune("QREG", {0, 1}), section = tune("section", {0, 4, 16}),
       ahead = tune("ahead", {0, 1}), cluster = tune("cluster", {1, 2}),
       early = tune("early", {0, 1}), skip = tune("skip", {0, 1});
  // A row of Q and K, and of V and O, padded. O of 16 bits takes the
  // place of Q, if it has its shape. P is there where products do not take it
  // from registers.
  Tune qRow = (extentOf(D) + 15) / 16 * 16 * elementBytes,
       vRow = (extentOf(E) + 15) / 16 * 16 * elementBytes,
       oRow = (qRow != vRow || elementBytes > 2) * vRow, row = qRow + vRow;
  const int64_t bytesOfP = elementBytes > 2 ? elementBytes : 0;
  const int64_t sharedBytes = 226 * 1024;
  // Slots of K and V: four, where two of Q and one of O have room beside them.
  // A tile that is begun ahead needs its first keys early.
  Tune stages =
      2 + 2 * ((2 * qRow + vRow) * bm + row * 4 * bn + bm * bn * bytesOfP <=
               sharedBytes);
  // What a thread of a consumer holds: S and P, O, Q, and what it works with.
  Tune registers = bn * 3 / 4 + extentOf(E) / 2 + held * extentOf(D) / 4 + 28;
  Tune limit = (bm == 64) * 240 + (bm == 128) * 232 + (bm == 192) * 160 +
               (bm == 256) * 112;
  return Schedule(sm90a)
      .tile(M, bm)
      .tile(N, bn)
      .whole(D, E)
      .stages(N, stages)
      .overlap(1 + (bm > 64)) // in turns, where there are several
      .registers(held)
      .persistent(1 + ahead)
      .descending(M, section)
      .cluster(M, cluster)
      .releaseEarly(early)
      .skipDead(skip)
      .warpSpecialize({.producers = 1, .consumers = bm / 64})
      .require(
          ahead <= (section > 0 || bm == 128) * (extentOf(D) <= 128),
          "beginning tiles ahead is for narrow heads, and does not pay for "
          "many warpgroups with tiles of one length")
      .require(cluster == 1 || (bm == 128) * (extentOf(D) > 64) *
                                   (extentOf(D) > 128 || section == 0),
               "clusters are for wide heads, and pay for those of 128 where "
               "tiles have one length")
      .require(
          early <= (bm == 128) * held * (1 - ahead) * (2 - cluster),
          "giving back early pays for two warpgroups with Q in registers, not "
          "begun ahead, without clusters")
      .require(
          skip <= (section > 0) * (3 * (bm - 64) >= 2 * bn) * (1 - ahead) *
                      (1 - early),
          "leaving out dead tiles pays under masks, where a block has more "
          "rows than a step has keys, and not begun ahead")
      .require((qRow + oRow) * bm + row * stages * bn + bm * bn * bytesOfP <=
                   sharedBytes,
               "the tiles exceed the shared memory")
      .require(registers <= limit || elementBytes > 2,
               "the tiles exceed the registers")
      .require((bm >= 128 && bn >= 64) ||
                   (qRow + oRow) * 128 + row * 2 * 64 + 128 * 64 * bytesOfP >
                       sharedBytes,
               "small tiles are for wide heads");
}
/// Four warps of 16 or 32 rows each, which leaves room for two blocks on a
/// multiprocessor, or eight and one.
inline Schedule flashOnAmpere(int64_t elementBytes = 2) {
  Tune bm = tune("BM", {128, 64, 256}), bn = tune("BN", {64, 48, 32, 128, 16}),
       stages = tune("stages", {2, 3}), groups = tune("groups", {2, 1});
  // A row of Q, and one of K and V; and P, as on Hopper.
  Tune q = (extentOf(D) + 15) / 16 * 16 * elementBytes;
  Tune kv = q + (extentOf(E) + 15) / 16 * 16 * elementBytes;
  Tune p = elementBytes > 2 ? bm * bn * elementBytes : Tune(0);
  const int64_t sharedBytes = 162 * 1024;
  return Schedule(sm80)
      .tile(M, bm)
      .tile(N, bn)
      .whole(D, E)
      .stages(N, stages)
      .warpSpecialize({.producers = 0, .consumers = groups})
      .require(q * bm + kv * stages * bn + p <= sharedBytes,
               "the tiles exceed the shared memory")
      .require(64 * groups <= bm && bm <= 128 * groups,
               "a warp has fewer rows than a product, or more than registers");
}
inline Schedule flashOnCpu() {
  return Schedule(cpu)
      .tile(M, tune("BM", {64, 32, 128}))
      .tile(N, tune("BN", {64, 96}))
      .whole(D, E);
}

} // namespace tilewright::kernels
