//===- tiled_attention.cu - Flash attention on plain fp32 cores -----------===//
//
// The forward of attention in fp32 without tensor cores: tiles in shared
// memory, blocks of both products in registers. Compiled at run time by NVRTC
// for sm_80 and later; the macros below choose the tiling, those of
// flash_common.cuh the rest.
//
// A block owns blockM queries of a head. Its 256 threads are 16 rows of 16;
// thread (r, c) makes the scores of queries r, r + 16, ... with keys c, c + 16,
// ... and the output of those queries in columns 4 * c to 4 * c + 3, and so on
// every 64. So 16 neighbouring threads hold a row, and half a warp reads each
// element of Q and P at once.
//
//===----------------------------------------------------------------------===//

#ifndef BLOCK_M // queries of a block, a multiple of 16
#define BLOCK_M 128
#endif
#ifndef BLOCK_N // keys of a step, a multiple of 16
#define BLOCK_N 64
#endif
#include "flash_common.cuh"

namespace {

constexpr int blockM = BLOCK_M, blockN = BLOCK_N, threads = 256;
constexpr int rowsEach = blockM / 16, keysEach = blockN / 16;
constexpr int groupsEach = headDim / 64; // of four columns of the output
static_assert(rowsEach * 16 == blockM && keysEach * 16 == blockN, "");

// Rows in shared memory, in elements: padded, so that threads that reach for
// different rows at once meet different banks.
constexpr int qRow = headDim + 4, kRow = headDim + 4, vRow = headDim;
constexpr int pRow = blockN + 16;
constexpr int qAt = 0, kAt = qAt + blockM * qRow, vAt = kAt + blockN * kRow;
constexpr int pAt = vAt + blockN * vRow;
constexpr int sharedBytes = (pAt + blockM * pRow) * 4;
#ifdef SHARED_BYTES
static_assert(sharedBytes == SHARED_BYTES, "the launcher counts differently");
#endif

// Starts to copy rows, of which `inside` exist; the others are zero.
template <int rows, int rowLength>
DEVICE void copyRows(float *to, const float *from, int inside) {
  constexpr int pieces = headDim / 4, rowsAtOnce = threads / pieces;
  int row = threadIdx.x / pieces, column = threadIdx.x % pieces * 4;
#pragma unroll
  for (int i = 0; i < rows; i += rowsAtOnce) {
    bool exists = row + i < inside;
    u32 address =
        (u32)__cvta_generic_to_shared(to + (row + i) * rowLength + column);
    // No address beyond the tensor, though nothing is read there.
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address),
                 "l"(exists ? from + (row + i) * headDim + column : from),
                 "r"(exists ? 16 : 0)
                 : "memory");
  }
  static_assert(rows % rowsAtOnce == 0, "");
  asm volatile("cp.async.commit_group;" ::: "memory");
}
DEVICE void waitForCopies() {
  asm volatile("cp.async.wait_group 0;" ::: "memory");
  __syncthreads();
}

DEVICE float4 fourAt(const float *x) { return *(const float4 *)x; }

// Sixteen neighbouring threads hold a row.
template <class F> DEVICE float combineSixteen(float x, F combine) {
#pragma unroll
  for (int distance = 1; distance < 16; distance *= 2)
    x = combine(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

} // namespace

// Grid: a block a tile.
extern "C" __global__ void __launch_bounds__(threads, 1)
    tiled_attention(const float *q, const float *k, const float *v, float *o,
                    float *lse, const __grid_constant__ Problem p) {
  extern __shared__ __align__(16) float memory[];
  float *qTile = memory + qAt, *kTile = memory + kAt, *vTile = memory + vAt;
  float *probabilities = memory + pAt;
  Tile tile = tileOf<blockM, blockN>(p, blockIdx.x);
  int r = threadIdx.x / 16, c = threadIdx.x % 16;
  long long rows = (long long)tile.head * p.queries;
  long long kvAt = (long long)(tile.head / p.headsPerKv) * p.keys * headDim;
  k += kvAt;
  v += kvAt;

  int step = tile.steps - 1;
  auto copyKeys = [&](int step) {
    copyRows<blockN, kRow>(kTile, k + (long long)step * blockN * headDim,
                           p.keys - step * blockN);
  };
  copyRows<blockM, qRow>(qTile, q + (rows + tile.query) * headDim,
                         p.queries - tile.query);
  copyKeys(step);

  float output[rowsEach][groupsEach][4] = {};
  float m[rowsEach], sum[rowsEach];
#pragma unroll
  for (int i = 0; i < rowsEach; ++i) {
    m[i] = minusInfinity();
    sum[i] = 0;
  }
  int unmasked = causal ? unmaskedSteps<blockN>(p, tile) : tile.steps - 1;

  for (; step >= 0; --step) {
    waitForCopies();
    copyRows<blockN, vRow>(vTile, v + (long long)step * blockN * headDim,
                           p.keys - step * blockN);
    float s[rowsEach][keysEach] = {};
#pragma unroll 4
    for (int d = 0; d < headDim; d += 4) {
      float4 y[keysEach];
#pragma unroll
      for (int j = 0; j < keysEach; ++j)
        y[j] = fourAt(kTile + (c + 16 * j) * kRow + d);
#pragma unroll
      for (int i = 0; i < rowsEach; ++i) {
        float4 x = fourAt(qTile + (r + 16 * i) * qRow + d);
#pragma unroll
        for (int j = 0; j < keysEach; ++j) {
          s[i][j] = fmaf(x.x, y[j].x, s[i][j]);
          s[i][j] = fmaf(x.y, y[j].y, s[i][j]);
          s[i][j] = fmaf(x.z, y[j].z, s[i][j]);
          s[i][j] = fmaf(x.w, y[j].w, s[i][j]);
        }
      }
    }

    bool masked = step >= unmasked || step == tile.steps - 1;
#pragma unroll
    for (int i = 0; i < rowsEach; ++i) {
      if (masked) {
        int visible =
            visibleFrom(p, tile.query + r + 16 * i, step * blockN + c);
#pragma unroll
        for (int j = 0; j < keysEach; ++j)
          s[i][j] = 16 * j < visible ? s[i][j] : minusInfinity();
      }
      float top = s[i][0];
#pragma unroll
      for (int j = 1; j < keysEach; ++j)
        top = fmaxf(top, s[i][j]);
      top = fmaxf(m[i], combineSixteen(top, larger));
      // A row that has seen nothing: keep the infinity out of the exponent.
      float shift = top == minusInfinity() ? 0.f : -top * p.scaleOfExp2;
      float decay = exp2Approx(fmaf(m[i], p.scaleOfExp2, shift));
      m[i] = top;
      sum[i] *= decay;
#pragma unroll
      for (int j = 0; j < keysEach; ++j) {
        float x = exp2Approx(fmaf(s[i][j], p.scaleOfExp2, shift));
        sum[i] += x;
        probabilities[(r + 16 * i) * pRow + c + 16 * j] = x;
      }
#pragma unroll
      for (int g = 0; g < groupsEach; ++g)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          output[i][g][e] *= decay;
    }

    // P, too: its rows are read by the half warp that wrote them.
    waitForCopies();
    if (step > 0)
      copyKeys(step - 1);
#pragma unroll 2
    for (int n = 0; n < blockN; n += 4) {
      float4 x[rowsEach];
#pragma unroll
      for (int i = 0; i < rowsEach; ++i)
        x[i] = fourAt(probabilities + (r + 16 * i) * pRow + n);
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int g = 0; g < groupsEach; ++g) {
          float4 y = fourAt(vTile + (n + j) * vRow + c * 4 + g * 64);
#pragma unroll
          for (int i = 0; i < rowsEach; ++i) {
            float a = j == 0   ? x[i].x
                      : j == 1 ? x[i].y
                      : j == 2 ? x[i].z
                               : x[i].w;
            output[i][g][0] = fmaf(a, y.x, output[i][g][0]);
            output[i][g][1] = fmaf(a, y.y, output[i][g][1]);
            output[i][g][2] = fmaf(a, y.z, output[i][g][2]);
            output[i][g][3] = fmaf(a, y.w, output[i][g][3]);
          }
        }
    }
  }

#pragma unroll
  for (int i = 0; i < rowsEach; ++i) {
    float total = combineSixteen(sum[i], plus);
    float factor = total > 0 ? 1 / total : 0.f;
    int row = tile.query + r + 16 * i;
    if (row >= p.queries)
      continue;
    if (c == 0)
      lse[rows + row] =
          total > 0 ? fmaf(m[i], p.scale, logf(total)) : minusInfinity();
#pragma unroll
    for (int g = 0; g < groupsEach; ++g) {
      float4 x;
      x.x = output[i][g][0] * factor;
      x.y = output[i][g][1] * factor;
      x.z = output[i][g][2] * factor;
      x.w = output[i][g][3] * factor;
      *(float4 *)(o + (rows + row) * headDim + c * 4 + g * 64) = x;
    }
  }
}
