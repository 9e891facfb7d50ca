//===- hopper_flash.cu - Flash attention for Hopper, by hand --------------===//
//
// The forward of attention on sm_90a as one would write it by hand: tensor
// memory accelerator, mbarrier rings, asynchronous warpgroup MMAs. Compiled at
// run time by NVRTC; the macros below choose the tiling, those of
// flash_common.cuh the rest.
//
// Tensors come as maps of rank 3, boxes of 64 columns (128 bytes, swizzled) by
// blockM (q), blockN (k, v), 64 (o) rows.
//
// A block stays on its multiprocessor and takes one tile of blockM queries
// after the other. Warpgroup 0 loads; each of the others owns 64 queries.
//
//===----------------------------------------------------------------------===//

#ifndef BLOCK_M // queries of a tile: 64 for each consumer warpgroup
#define BLOCK_M 128
#endif
#ifndef BLOCK_N // keys of a step: 64, 96, 112 or 128
#define BLOCK_N 128
#endif
#ifndef STAGES // depth of the ring of keys, and of that of values
#define STAGES 2
#endif
#ifndef Q_IN_REGISTERS // Q as the register operand of its product
#define Q_IN_REGISTERS 1
#endif
#ifndef PING_PONG // warpgroups issue their products in turns
#define PING_PONG 0
#endif
#ifndef DYNAMIC // tiles are handed out by a counter, the longest first
#define DYNAMIC CAUSAL
#endif
#include "flash_common.cuh"

struct alignas(64) TensorMap {
  char bytes[128];
};

namespace {

constexpr int blockM = BLOCK_M, blockN = BLOCK_N;
constexpr int stages = STAGES, consumers = blockM / 64;
constexpr int threads = 128 * (consumers + 1);
constexpr bool qInRegisters = Q_IN_REGISTERS, pingPong = PING_PONG;
constexpr bool dynamic = DYNAMIC;

// A row of a tile is cut into slabs of 64 columns: 128 bytes, as far as the
// swizzle goes.
constexpr int slabs = headDim / 64;
constexpr int qBytes = blockM * headDim * 2, kvBytes = blockN * headDim * 2;
constexpr int qAt = 0, kAt = qAt + qBytes, vAt = kAt + stages * kvBytes;
constexpr int oAt = vAt + stages * kvBytes, barriersAt = oAt + qBytes;
constexpr int qFull = barriersAt, qEmpty = qFull + 8, kFull = qEmpty + 8;
constexpr int kEmpty = kFull + 8 * stages, vFull = kEmpty + 8 * stages;
constexpr int vEmpty = vFull + 8 * stages, tileAt = vEmpty + 8 * stages;
constexpr int sharedBytes = tileAt + 16;
static_assert(sharedBytes <= 232448, "the tiles do not fit shared memory");
#ifdef SHARED_BYTES
static_assert(sharedBytes == SHARED_BYTES, "the launcher counts differently");
#endif

// A multiprocessor has 64 Ki registers; the producer needs few.
constexpr int consumerRegisters = consumers == 2   ? 232
                                  : consumers == 3 ? 160
                                                   : 112;
constexpr int producerRegisters = consumers == 2 ? 40 : 32;

// What a thread holds of a warpgroup's 64 rows: of S, of O, and of P, packed.
constexpr int sCount = blockN / 2, oCount = headDim / 2, pCount = blockN / 4;

//===----------------------------------------------------------------------===//
// Barriers, copies
//===----------------------------------------------------------------------===//

DEVICE void makeBarrier(u32 barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier),
               "r"(arrivals));
}
DEVICE void wait(u32 barrier, u32 parity) {
  asm volatile("{\n"
               ".reg .pred done;\n"
               "again:\n"
               "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1, "
               "0x989680;\n"
               "@done bra over;\n"
               "bra again;\n"
               "over:\n"
               "}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}
DEVICE void expectBytes(u32 barrier, int bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
      "r"(bytes)
      : "memory");
}
// One thread of many arrives. Predicated, for a branch between an asynchronous
// MMA and the wait for it makes ptxas serialise them.
DEVICE void arriveIf(bool elected, u32 barrier) {
  asm volatile("{\n"
               ".reg .pred elected;\n"
               "setp.ne.b32 elected, %1, 0;\n"
               "@elected mbarrier.arrive.shared::cta.b64 _, [%0];\n"
               "}" ::"r"(barrier),
               "r"((int)elected)
               : "memory");
}
DEVICE void syncNamed(int id, int count) {
  asm volatile("barrier.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}
DEVICE void arriveNamed(int id, int count) {
  asm volatile("barrier.arrive %0, %1;" ::"r"(id), "r"(count) : "memory");
}

DEVICE void load(u32 to, const TensorMap &from, u32 barrier, int column,
                 int row, int head) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::"
               "complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(to),
               "l"(&from), "r"(barrier), "r"(column), "r"(row), "r"(head)
               : "memory");
}
DEVICE void store(const TensorMap &to, u32 from, int column, int row,
                  int head) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group "
               "[%0, {%2, %3, %4}], [%1];" ::"l"(&to),
               "r"(from), "r"(column), "r"(row), "r"(head)
               : "memory");
}

//===----------------------------------------------------------------------===//
// Warpgroup MMAs
//===----------------------------------------------------------------------===//

// Where a matrix lies in shared memory, swizzled by 128 bytes: eight rows to
// the next eight are 1024 bytes; `slabBytes` to the next 64 columns, which
// counts only for an operand whose rows are the summed dimension (V).
DEVICE u64 describe(u32 address, int slabBytes) {
  return (u64)((address & 0x3ffff) >> 4) | (u64)(slabBytes >> 4) << 16 |
         (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

DEVICE void fenceMma() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
DEVICE void commitMma() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// No use of these registers moves above this point, no write below it.
template <int count> DEVICE void pin(float (&x)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i)
    asm volatile("" : "+f"(x[i])::"memory");
}
template <int count> DEVICE void pin(u32 (&x)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i)
    asm volatile("" : "+r"(x[i])::"memory");
}
// Waits for all but so many committed groups; `x` is what they wrote.
template <int pending, int count> DEVICE void waitMma(float (&x)[count]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
  pin(x);
}

// D (64 by n) = A (64 by 16) * B, or D += it. `shared`: A in shared memory,
// else in registers. B is [n][16], or [16][n] if transposed.
template <int n> struct Mma;

#define REGISTERS8(x, i)                                                       \
  "+f"(x[i]), "+f"(x[i + 1]), "+f"(x[i + 2]), "+f"(x[i + 3]), "+f"(x[i + 4]),  \
      "+f"(x[i + 5]), "+f"(x[i + 6]), "+f"(x[i + 7])
#define REGISTERS32(x)                                                         \
  REGISTERS8(x, 0), REGISTERS8(x, 8), REGISTERS8(x, 16), REGISTERS8(x, 24)
#define REGISTERS48(x) REGISTERS32(x), REGISTERS8(x, 32), REGISTERS8(x, 40)
#define REGISTERS56(x) REGISTERS48(x), REGISTERS8(x, 48)
#define REGISTERS64(x) REGISTERS56(x), REGISTERS8(x, 56)
#define NAMES32                                                                \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20," \
  "%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define NAMES48                                                                \
  NAMES32                                                                      \
  ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define NAMES56 NAMES48 ",%48,%49,%50,%51,%52,%53,%54,%55"
#define NAMES64 NAMES56 ",%56,%57,%58,%59,%60,%61,%62,%63"

// The operands behind the `count` registers of D are numbered count, ...
#define DEFINE_MMA(n, count, a0, a1, a2, a3, a4, a5, a6)                       \
  template <> struct Mma<n> {                                                  \
    template <bool accumulate, bool transposed>                                \
    static DEVICE void registers(float (&d)[count], const u32 *a, u64 b) {     \
      asm volatile("wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." TEXT(     \
                       ELEMENT) "." TEXT(ELEMENT) " {" NAMES##count            \
                   "}, {%" #a0 ",%" #a1 ",%" #a2 ",%" #a3 "}, %" #a4 ", %" #a5 \
                   ", 1, 1, %" #a6 ";"                                         \
                   : REGISTERS##count(d)                                       \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),       \
                     "n"(accumulate), "n"(transposed));                        \
    }                                                                          \
    template <bool accumulate, bool transposed>                                \
    static DEVICE void shared(float (&d)[count], u64 a, u64 b) {               \
      asm volatile("wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." TEXT(     \
                       ELEMENT) "." TEXT(ELEMENT) " {" NAMES##count            \
                   "}, %" #a0 ", %" #a1 ", %" #a2 ", 1, 1, 0, %" #a3 ";"       \
                   : REGISTERS##count(d)                                       \
                   : "l"(a), "l"(b), "n"(accumulate), "n"(transposed));        \
    }                                                                          \
  };
DEFINE_MMA(64, 32, 32, 33, 34, 35, 36, 37, 38)
DEFINE_MMA(96, 48, 48, 49, 50, 51, 52, 53, 54)
DEFINE_MMA(112, 56, 56, 57, 58, 59, 60, 61, 62)
DEFINE_MMA(128, 64, 64, 65, 66, 67, 68, 69, 70)

//===----------------------------------------------------------------------===//
// The producer: one thread
//===----------------------------------------------------------------------===//

DEVICE u32 stageOf(u32 turn) { return turn % stages; }
DEVICE u32 parityOf(u32 turn) { return turn / stages & 1; }

DEVICE void loadSlabs(u32 to, int rows, const TensorMap &from, u32 barrier,
                      int row, int head) {
#pragma unroll
  for (int slab = 0; slab < slabs; ++slab)
    load(to + slab * rows * 128, from, barrier, slab * 64, row, head);
}

// Order of requests: K0 Q K1 V0 K2 V1 ..., without a break between tiles.
DEVICE void produce(u32 shared, const TensorMap &q, const TensorMap &k,
                    const TensorMap &v, u32 *counter, const Problem &p) {
  u32 turn = 0, tilesDone = 0;
  auto loadK = [&](u32 turn, int step, int head) {
    u32 stage = stageOf(turn), full = shared + kFull + stage * 8;
    wait(shared + kEmpty + stage * 8, parityOf(turn) ^ 1);
    expectBytes(full, kvBytes);
    loadSlabs(shared + kAt + stage * kvBytes, blockN, k, full, step * blockN,
              head);
  };
  auto loadV = [&](u32 turn, int step, int head) {
    u32 stage = stageOf(turn), full = shared + vFull + stage * 8;
    wait(shared + vEmpty + stage * 8, parityOf(turn) ^ 1);
    expectBytes(full, kvBytes);
    loadSlabs(shared + vAt + stage * kvBytes, blockN, v, full, step * blockN,
              head);
  };
  for (int index = blockIdx.x; index < p.tiles;) {
    Tile tile = tileOf<blockM, blockN>(p, index);
    int kvHead = (int)((u32)tile.head / (u32)p.headsPerKv);
    int next = index + gridDim.x;
    if (dynamic) // wraps to 0 with the last request of the launch
      next = (int)(atomicInc(counter, (u32)p.tiles - 1) + gridDim.x);
    int step = tile.steps - 1;
    loadK(turn, step, kvHead);
    wait(shared + qEmpty, (tilesDone & 1) ^ 1);
    if (dynamic)
      asm volatile("st.shared.u32 [%0], %1;" ::"r"(shared + tileAt), "r"(index)
                   : "memory");
    expectBytes(shared + qFull, qBytes);
    loadSlabs(shared + qAt, blockM, q, shared + qFull, tile.query, tile.head);
    for (; step > 0; --step, ++turn) {
      loadK(turn + 1, step - 1, kvHead);
      loadV(turn, step, kvHead);
    }
    loadV(turn, 0, kvHead);
    ++turn;
    ++tilesDone;
    index = next;
  }
  if (dynamic) { // tell the consumers that there is no more
    wait(shared + qEmpty, (tilesDone & 1) ^ 1);
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(shared + tileAt), "r"(p.tiles)
                 : "memory");
    arriveIf(true, shared + qFull);
  }
}

//===----------------------------------------------------------------------===//
// A consumer: one warpgroup, 64 queries
//===----------------------------------------------------------------------===//

DEVICE void consume(u32 shared, int warpgroup, const TensorMap &oMap,
                    float *lse, const Problem &p) {
  int consumer = warpgroup - 1, thread = threadIdx.x % 128;
  int lane = threadIdx.x % 32, warp = thread / 32;
  bool leads = thread == 0;
  int rowInTile = consumer * 64 + warp * 16 + lane / 4, column = lane % 4 * 2;
  // The address of this thread's part of ldmatrix and stmatrix: 16 rows of the
  // warp, 16 columns at a time; the swizzle exchanges pieces of 16 bytes.
  u32 matrixRow =
      (u32)(consumer * 64 + warp * 16 + lane % 8 + (lane / 8 & 1) * 8) * 128;
  u32 matrixPiece = (u32)(lane / 16 ^ lane % 8) * 16;
  auto matrixAt = [&](int columns) {
    return (u32)(columns / 64 * blockM * 128) + matrixRow +
           (matrixPiece ^ (u32)(columns % 64 * 2));
  };
  u64 qMatrix = describe(shared + qAt + consumer * 64 * 128, 0);
  int nextBarrier = warpgroup == consumers ? 1 : warpgroup + 1;
  if (pingPong && warpgroup == consumers)
    arriveNamed(1, 256); // the first may start

  u32 turn = 0, tilesDone = 0;
  for (int index = blockIdx.x;; ++tilesDone) {
    if (dynamic) {
      wait(shared + qFull, tilesDone & 1);
      asm volatile("ld.shared.u32 %0, [%1];"
                   : "=r"(index)
                   : "r"(shared + tileAt)
                   : "memory");
      if (index >= p.tiles)
        break;
    } else {
      if (index >= p.tiles)
        break;
      wait(shared + qFull, tilesDone & 1);
    }
    Tile tile = tileOf<blockM, blockN>(p, index);
    int row = tile.query + rowInTile;

    u32 q[headDim / 4];
    if (qInRegisters) {
#pragma unroll
      for (int i = 0; i < headDim / 16; ++i)
        asm volatile(
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
            : "=r"(q[4 * i]), "=r"(q[4 * i + 1]), "=r"(q[4 * i + 2]),
              "=r"(q[4 * i + 3])
            : "r"(shared + qAt + matrixAt(16 * i))
            : "memory");
      pin(q);
      arriveIf(lane == 0, shared + qEmpty);
    }

    float s[sCount], o[oCount];
    u32 probabilities[pCount];
    SoftmaxState state;

    auto multiplyQK = [&](u32 stage) {
      u64 k = describe(shared + kAt + stage * kvBytes, 0);
#pragma unroll
      for (int i = 0; i < headDim / 16; ++i) {
        u64 kStep = k + (i / 4 * blockN * 128 + i % 4 * 32) / 16;
        u64 qStep = qMatrix + (i / 4 * blockM * 128 + i % 4 * 32) / 16;
        if (qInRegisters && i == 0)
          Mma<blockN>::template registers<false, false>(s, &q[0], kStep);
        else if (qInRegisters)
          Mma<blockN>::template registers<true, false>(s, &q[4 * i], kStep);
        else if (i == 0)
          Mma<blockN>::template shared<false, false>(s, qStep, kStep);
        else
          Mma<blockN>::template shared<true, false>(s, qStep, kStep);
      }
    };
    auto multiplyPV = [&](u32 stage) {
      u64 v = describe(shared + vAt + stage * kvBytes, blockN * 128);
#pragma unroll
      for (int i = 0; i < blockN / 16; ++i)
        Mma<headDim>::template registers<true, true>(o, &probabilities[4 * i],
                                                     v + i * 2048 / 16);
    };
    auto mask = [&](int step) {
      int first = step * blockN + column;
      maskScores(s, visibleFrom(p, row, first), visibleFrom(p, row + 8, first));
    };
    auto packProbabilities = [&] {
#pragma unroll
      for (int i = 0; i < pCount; ++i)
        probabilities[i] = packTwo(s[2 * i], s[2 * i + 1]);
    };

    // The first step, the rightmost keys, has no values to multiply with yet.
    int step = tile.steps - 1;
    wait(shared + kFull + stageOf(turn) * 8, parityOf(turn));
    fenceMma();
    multiplyQK(stageOf(turn));
    commitMma();
#pragma unroll
    for (int i = 0; i < oCount; ++i)
      o[i] = 0;
    waitMma<0>(s);
    arriveIf(leads, shared + kEmpty + stageOf(turn) * 8);
    mask(step);
    softmax<true, true>(s, state, p.scaleOfExp2);
    packProbabilities();
    --step;
    ++turn;

    // Step i: the scores of step i and the output of step i - 1 are multiplied
    // together; the softmax of step i runs under the latter.
    auto advance = [&](auto masked) {
      u32 stage = stageOf(turn), before = stageOf(turn - 1);
      wait(shared + kFull + stage * 8, parityOf(turn));
      if (pingPong)
        syncNamed(warpgroup, 256);
      pin(o);
      pin(probabilities);
      fenceMma();
      multiplyQK(stage);
      commitMma();
      wait(shared + vFull + before * 8, parityOf(turn - 1));
      fenceMma();
      multiplyPV(before);
      commitMma();
      if (pingPong)
        arriveNamed(nextBarrier, 256);
      waitMma<1>(s);
      arriveIf(leads, shared + kEmpty + stage * 8);
      if (masked.value)
        mask(step);
      softmax<masked.value, false>(s, state, p.scaleOfExp2);
      waitMma<0>(o);
      arriveIf(leads, shared + vEmpty + before * 8);
      packProbabilities();
#pragma unroll
      for (int i = 0; i < oCount; ++i)
        o[i] *= state.decay[rowOf(i)];
      --step;
      ++turn;
    };
    if (causal) {
      int unmasked = unmaskedSteps<blockN>(p, tile);
      for (; step >= unmasked;)
        advance(Bool<true>());
    }
    for (; step >= 0;)
      advance(Bool<false>());
    if (!qInRegisters)
      arriveIf(leads, shared + qEmpty);

    // The last output; the sums of the rows meet under it.
    u32 before = stageOf(turn - 1);
    wait(shared + vFull + before * 8, parityOf(turn - 1));
    pin(o);
    pin(probabilities);
    fenceMma();
    multiplyPV(before);
    commitMma();
    float factor[2], rowLse[2];
    finish(state, p.scale, factor, rowLse);
    waitMma<0>(o);
    arriveIf(leads, shared + vEmpty + before * 8);
    u32 packed[oCount / 2];
#pragma unroll
    for (int i = 0; i < oCount / 2; ++i)
      packed[i] =
          packTwo(o[2 * i] * factor[i % 2], o[2 * i + 1] * factor[i % 2]);
#pragma unroll
    for (int r = 0; r < 2; ++r)
      if (lane % 4 == 0 && row + 8 * r < p.queries)
        lse[(long long)tile.head * p.queries + row + 8 * r] = rowLse[r];

    // Through shared memory, once the store before has read it.
    if (leads)
      asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    syncNamed(8 + warpgroup, 128);
#pragma unroll
    for (int i = 0; i < headDim / 16; ++i)
      asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], "
                   "{%1,%2,%3,%4};" ::"r"(shared + oAt + matrixAt(16 * i)),
                   "r"(packed[4 * i]), "r"(packed[4 * i + 1]),
                   "r"(packed[4 * i + 2]), "r"(packed[4 * i + 3])
                   : "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    syncNamed(8 + warpgroup, 128);
    if (leads) {
#pragma unroll
      for (int slab = 0; slab < slabs; ++slab)
        store(oMap, shared + oAt + slab * blockM * 128 + consumer * 64 * 128,
              slab * 64, tile.query + consumer * 64, tile.head);
      asm volatile("cp.async.bulk.commit_group;" ::: "memory");
    }
    index += gridDim.x;
  }
  if (leads)
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

} // namespace

// Grid: at most one block a multiprocessor, at most one a tile. `counter`
// starts at 0 and is 0 again after the launch.
extern "C" __global__ void __launch_bounds__(threads, 1)
    hopper_flash(const __grid_constant__ TensorMap q,
                 const __grid_constant__ TensorMap k,
                 const __grid_constant__ TensorMap v,
                 const __grid_constant__ TensorMap o, float *lse, u32 *counter,
                 const __grid_constant__ Problem problem) {
  extern __shared__ __align__(1024) char memory[];
  u32 shared = (u32)__cvta_generic_to_shared(memory);
  // Of one lane, so that the compiler knows that a warp agrees on it.
  int warpgroup = __shfl_sync(0xffffffffu, (int)threadIdx.x / 128, 0);
  if (threadIdx.x == 0) {
    makeBarrier(shared + qFull, 1);
    makeBarrier(shared + qEmpty, qInRegisters ? 4 * consumers : consumers);
    for (int stage = 0; stage < stages; ++stage) {
      makeBarrier(shared + kFull + 8 * stage, 1);
      makeBarrier(shared + kEmpty + 8 * stage, consumers);
      makeBarrier(shared + vFull + 8 * stage, 1);
      makeBarrier(shared + vEmpty + 8 * stage, consumers);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (warpgroup == 0) {
    asm volatile(
        "setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(producerRegisters));
    if (threadIdx.x == 0)
      produce(shared, q, k, v, counter, problem);
  } else {
    asm volatile(
        "setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(consumerRegisters));
    consume(shared, warpgroup, o, lse, problem);
  }
}
