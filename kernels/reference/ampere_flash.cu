//===- ampere_flash.cu - Flash attention for Ampere, by hand --------------===//
//
// The forward of attention on sm_80 and later as one would write it by hand:
// mma.sync on fragments loaded by ldmatrix, keys and values through a ring of
// shared memory that cp.async fills ahead. Compiled at run time by NVRTC; the
// macros below choose the tiling, those of flash_common.cuh the rest.
//
// A block owns blockM queries of a head, a warp blockM / warps of them. Steps
// over the keys go from the right, and each has two halves: scores (K), output
// (V); the ring holds a buffer for a half.
//
//===----------------------------------------------------------------------===//

#ifndef BLOCK_M // queries of a block
#define BLOCK_M 128
#endif
#ifndef BLOCK_N // keys of a step, a multiple of 16
#define BLOCK_N 64
#endif
#ifndef WARPS // 16 or 32 queries for each
#define WARPS 4
#endif
#ifndef RING // buffers for a step's keys or values: 2 to 4
#define RING 3
#endif
#ifndef Q_IN_REGISTERS // else its fragments are loaded anew in each step
#define Q_IN_REGISTERS 0
#endif
#ifndef BLOCKS // blocks of a multiprocessor that registers are to suffice for
#define BLOCKS 2
#endif
#include "flash_common.cuh"

namespace {

constexpr int blockM = BLOCK_M, blockN = BLOCK_N, warps = WARPS, ring = RING;
constexpr bool qInRegisters = Q_IN_REGISTERS;
constexpr int threads = 32 * warps;
constexpr int rowBytes = headDim * 2, bufferBytes = blockN * rowBytes;
constexpr int qBytes = blockM * rowBytes;
constexpr int sharedBytes = qBytes + ring * bufferBytes;
#ifdef SHARED_BYTES
static_assert(sharedBytes == SHARED_BYTES, "the launcher counts differently");
#endif

// A warp's rows are one or two tiles of 16.
constexpr int rowTiles = blockM / warps / 16;
constexpr int sCount = blockN / 2, oCount = headDim / 2;
// Unrolled whole, so many fragments are loaded ahead that registers spill.
constexpr int depthUnroll = qInRegisters ? headDim / 16 : 2;
static_assert(rowTiles * warps * 16 == blockM && rowTiles <= 2, "");

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

// Where a row's piece of 16 bytes lies. Eight rows that ldmatrix reads at once
// are spread over all banks.
DEVICE u32 pieceAt(int row, int piece) {
  return (u32)(row * rowBytes + (piece ^ row % 8) * 16);
}

// Starts to copy rows, of which `inside` exist; the others are zero.
template <int rows, bool all>
DEVICE void copyRows(u32 to, const u16 *from, int inside) {
  constexpr int pieces = headDim / 8, rowsAtOnce = threads / pieces;
  static_assert(rows % rowsAtOnce == 0 && rowsAtOnce % 8 == 0, "");
  int row = threadIdx.x / pieces, piece = threadIdx.x % pieces;
  to += pieceAt(row, piece);
  const u16 *source = from + row * headDim + piece * 8;
#pragma unroll
  for (int i = 0; i < rows / rowsAtOnce; ++i) {
    bool exists = all || row + i * rowsAtOnce < inside;
    // No address beyond the tensor, though nothing is read there.
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                     to + i * rowsAtOnce * rowBytes),
                 "l"(exists ? source + i * rowsAtOnce * headDim : from),
                 "r"(exists ? 16 : 0)
                 : "memory");
  }
}
DEVICE void commitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int pending> DEVICE void waitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

DEVICE void loadMatrices(u32 (&to)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}
DEVICE void loadTransposed(u32 (&to)[4], u32 address) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
      : "r"(address)
      : "memory");
}
// D (16 by 8) += A (16 by 16) * B (16 by 8).
DEVICE void multiply(float *d, const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32." TEXT(ELEMENT) "." TEXT(
          ELEMENT) ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

} // namespace

// Grid: a block a tile.
extern "C" __global__ void __launch_bounds__(threads, BLOCKS)
    ampere_flash(const u16 *q, const u16 *k, const u16 *v, u16 *o, float *lse,
                 const __grid_constant__ Problem p) {
  extern __shared__ __align__(256) char memory[];
  u32 shared = (u32)__cvta_generic_to_shared(memory), buffers = shared + qBytes;
  Tile tile = tileOf<blockM, blockN>(p, blockIdx.x);
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int firstRow = warp * (16 * rowTiles);
  int row = tile.query + firstRow + lane / 4, column = lane % 4 * 2;
  long long kvRows = (long long)(tile.head / p.headsPerKv) * p.keys;
  long long rows = (long long)tile.head * p.queries;

  // Half `ahead` of a step, counted from the present one: even are keys, odd
  // values. There is a group for each, though nothing may be left to copy. Only
  // the rightmost keys may be fewer than a step's.
  int step = tile.steps - 1;
  auto copyHalf = [&](u32 buffer, int ahead, auto all) {
    int first = (step - ahead / 2) * blockN;
    if (first >= 0)
      copyRows<blockN, all.value>(
          buffer, (ahead % 2 ? v : k) + (kvRows + first) * headDim,
          p.keys - first);
    commitCopies();
  };
  u32 buffer = buffers; // of the present half
  auto nextBuffer = [&](u32 buffer) {
    return buffer == buffers + (ring - 1) * bufferBytes ? buffers
                                                        : buffer + bufferBytes;
  };
  auto lastBuffer = [&](u32 buffer) {
    return buffer == buffers ? buffers + (ring - 1) * bufferBytes
                             : buffer - bufferBytes;
  };
  copyRows<blockM, false>(shared, q + (rows + tile.query) * headDim,
                          p.queries - tile.query);
#pragma unroll
  for (int ahead = 0; ahead < ring - 1; ++ahead)
    copyHalf(buffers + ahead * bufferBytes, ahead, Bool<false>());

  // What this thread addresses for ldmatrix: of A and of transposed B 16 rows,
  // then the next piece; of B two pieces, then the next 8 rows. Two pieces
  // further on is an exclusive or, 16 rows further on a sum.
  u32 placeOfA = pieceAt(lane % 16, lane / 16);
  u32 placeOfB = pieceAt(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  auto loadQ = [&](u32(&to)[4], int rowTile, int depth) {
    u32 place = shared + firstRow * rowBytes + placeOfA;
    loadMatrices(to, (place ^ depth * 32) + rowTile * 16 * rowBytes);
  };

  u32 qFragments[qInRegisters ? rowTiles * headDim / 16 : 1][4];
  float s[rowTiles][sCount], output[rowTiles][oCount];
  SoftmaxState state[rowTiles];
#pragma unroll
  for (int t = 0; t < rowTiles; ++t) {
    state[t].m[0] = state[t].m[1] = minusInfinity();
    state[t].sum[0] = state[t].sum[1] = 0;
#pragma unroll
    for (int i = 0; i < oCount; ++i)
      output[t][i] = 0;
  }
  if (qInRegisters) {
    waitForCopies<ring - 2>();
    __syncthreads();
#pragma unroll
    for (int t = 0; t < rowTiles; ++t)
#pragma unroll
      for (int depth = 0; depth < headDim / 16; ++depth)
        loadQ(qFragments[t * headDim / 16 + depth], t, depth);
  }

  auto advance = [&](auto masked) {
    // What was copied has arrived, and all have left the buffer that is next to
    // be filled.
    waitForCopies<ring - 2>();
    __syncthreads();
    copyHalf(lastBuffer(buffer), ring - 1, Bool<(ring > 2)>());
#pragma unroll
    for (int t = 0; t < rowTiles; ++t)
#pragma unroll
      for (int i = 0; i < sCount; ++i)
        s[t][i] = 0;
#pragma unroll depthUnroll
    for (int depth = 0; depth < headDim / 16; ++depth) {
      u32 a[rowTiles][4];
#pragma unroll
      for (int t = 0; t < rowTiles; ++t)
        if (!qInRegisters)
          loadQ(a[t], t, depth);
        else
#pragma unroll
          for (int i = 0; i < 4; ++i)
            a[t][i] = qFragments[t * headDim / 16 + depth][i];
#pragma unroll
      for (int n = 0; n < blockN / 16; ++n) {
        u32 b[4];
        loadMatrices(b, (buffer + placeOfB ^ depth * 32) + n * 16 * rowBytes);
#pragma unroll
        for (int t = 0; t < rowTiles; ++t) {
          multiply(&s[t][n * 8], a[t], b[0], b[1]);
          multiply(&s[t][n * 8 + 4], a[t], b[2], b[3]);
        }
      }
    }
    buffer = nextBuffer(buffer);

#pragma unroll
    for (int t = 0; t < rowTiles; ++t) {
      if (masked.value) {
        int first = step * blockN + column;
        maskScores(s[t], visibleFrom(p, row + t * 16, first),
                   visibleFrom(p, row + t * 16 + 8, first));
      }
      softmax<masked.value, false>(s[t], state[t], p.scaleOfExp2);
#pragma unroll
      for (int i = 0; i < oCount; ++i)
        output[t][i] *= state[t].decay[rowOf(i)];
    }
    u32 probabilities[rowTiles][blockN / 16][4];
#pragma unroll
    for (int t = 0; t < rowTiles; ++t)
#pragma unroll
      for (int i = 0; i < sCount / 2; ++i)
        probabilities[t][i / 4][i % 4] = packTwo(s[t][2 * i], s[t][2 * i + 1]);

    waitForCopies<ring - 2>();
    __syncthreads();
    copyHalf(lastBuffer(buffer), ring, Bool<true>());
#pragma unroll
    for (int n = 0; n < blockN / 16; ++n)
#pragma unroll
      for (int e = 0; e < headDim / 16; ++e) {
        u32 b[4];
        loadTransposed(b, (buffer + placeOfA ^ e * 32) + n * 16 * rowBytes);
#pragma unroll
        for (int t = 0; t < rowTiles; ++t) {
          multiply(&output[t][e * 8], probabilities[t][n], b[0], b[1]);
          multiply(&output[t][e * 8 + 4], probabilities[t][n], b[2], b[3]);
        }
      }
    buffer = nextBuffer(buffer);
    --step;
  };

  // The rightmost keys may end within a step, and the diagonal cuts some.
  int unmasked = causal ? unmaskedSteps<blockN>(p, tile) : step;
  do
    advance(Bool<true>());
  while (step >= unmasked && step >= 0);
  while (step >= 0)
    advance(Bool<false>());

  // Through the rows of Q in shared memory, which no other warp reads.
  __syncwarp();
#pragma unroll
  for (int t = 0; t < rowTiles; ++t) {
    float factor[2], rowLse[2];
    finish(state[t], p.scale, factor, rowLse);
#pragma unroll
    for (int r = 0; r < 2; ++r)
      if (int at = row + t * 16 + r * 8; lane % 4 == 0 && at < p.queries)
        lse[rows + at] = rowLse[r];
#pragma unroll
    for (int i = 0; i < oCount / 2; ++i) {
      u32 packed = packTwo(output[t][2 * i] * factor[i % 2],
                           output[t][2 * i + 1] * factor[i % 2]);
      u32 to = shared +
               pieceAt(firstRow + t * 16 + i % 2 * 8 + lane / 4, i / 2) +
               lane % 4 * 4;
      asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(packed) : "memory");
    }
  }
  __syncwarp();
  constexpr int pieces = headDim / 8, rowsAtOnce = 32 / pieces;
#pragma unroll
  for (int i = 0; i < 16 * rowTiles / rowsAtOnce; ++i) {
    int at = firstRow + i * rowsAtOnce + lane / pieces, piece = lane % pieces;
    if (tile.query + at < p.queries) {
      u32 x[4];
      asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
                   : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                   : "r"(shared + pieceAt(at, piece))
                   : "memory");
      asm volatile("st.global.v4.u32 [%0], {%1,%2,%3,%4};" ::"l"(
                       o + (rows + tile.query + at) * headDim + piece * 8),
                   "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3])
                   : "memory");
    }
  }
}
