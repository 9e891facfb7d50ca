//===- naive_attention.cu - Attention with nothing clever in it -----------===//
//
// One kernel an operation, the scores in memory: the reference that our
// kernels are checked and timed against. Scores, probabilities and sums are
// fp32, so its error is that of the inputs' and the output's type. Compiled at
// run time by NVRTC; it includes no header, so that none need be found.
//
// Tensors are dense: q [heads, queries, qkDim], k [kvHeads, keys, qkDim],
// v [kvHeads, keys, vDim], scores [heads of this launch, queries, keys]. Head h
// reads the key and value head h / (heads / kvHeads).
//
//===----------------------------------------------------------------------===//

typedef unsigned short u16;
typedef unsigned long long u64;

struct bf16 {
  u16 bits;
};

__device__ inline float toFloat(float x) { return x; }
__device__ inline float toFloat(bf16 x) {
  return __uint_as_float((unsigned)x.bits << 16);
}
__device__ inline void put(float *to, float x) { *to = x; }
__device__ inline void put(bf16 *to, float x) {
  unsigned bits = __float_as_uint(x);
  // Round to nearest even; a NaN stays one.
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    to->bits = (u16)((bits >> 16) | 0x40);
  else
    to->bits = (u16)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

// C[m, n] = scale * sum over k of A[m, k] * B, with B [n, k] if transposed,
// else [k, n]. 256 threads make a tile of 64 by 64, 4 by 4 each.
template <class TA, class TB, class TC, bool transposed>
__device__ void multiply(const TA *a, const TB *b, TC *c, int rows,
                         int columns, int depth, float scale) {
  const int tile = 64, step = 16;
  __shared__ float aTile[step][tile + 4], bTile[step][tile + 4];
  int t = threadIdx.x;
  long long row0 = (long long)blockIdx.y * tile;
  long long column0 = (long long)blockIdx.x * tile;
  int tr = t / 16 * 4, tc = t % 16 * 4;
  float sum[4][4] = {};
  for (int k0 = 0; k0 < depth; k0 += step) {
    for (int i = t; i < tile * step; i += 256) {
      int r = i / step, k = i % step;
      bool inside = row0 + r < rows && k0 + k < depth;
      aTile[k][r] = inside ? toFloat(a[(row0 + r) * depth + k0 + k]) : 0.f;
    }
    for (int i = t; i < tile * step; i += 256) {
      int n = transposed ? i / step : i % tile;
      int k = transposed ? i % step : i / tile;
      bool inside = column0 + n < columns && k0 + k < depth;
      long long at = transposed ? (column0 + n) * depth + k0 + k
                                : (long long)(k0 + k) * columns + column0 + n;
      bTile[k][n] = inside ? toFloat(b[at]) : 0.f;
    }
    __syncthreads();
    for (int k = 0; k < step; ++k) {
      float x[4], y[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        x[i] = aTile[k][tr + i];
        y[i] = bTile[k][tc + i];
      }
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          sum[i][j] += x[i] * y[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (row0 + tr + i < rows && column0 + tc + j < columns)
        put(&c[(row0 + tr + i) * columns + column0 + tc + j],
            scale * sum[i][j]);
}

// Grid: (keys / 64, queries / 64, heads of this launch).
template <class T>
__device__ void scores(const T *q, const T *k, float *s, int firstHead,
                       int headsPerKv, int queries, int keys, int qkDim,
                       float scale) {
  long long head = firstHead + blockIdx.z;
  multiply<T, T, float, true>(
      q + head * queries * qkDim, k + head / headsPerKv * keys * qkDim,
      s + (long long)blockIdx.z * queries * keys, queries, keys, qkDim, scale);
}

// Grid: (vDim / 64, queries / 64, heads of this launch).
template <class T, class TO>
__device__ void output(const float *p, const T *v, TO *o, int firstHead,
                       int headsPerKv, int queries, int keys, int vDim) {
  long long head = firstHead + blockIdx.z;
  multiply<float, T, TO, false>(p + (long long)blockIdx.z * queries * keys,
                                v + head / headsPerKv * keys * vDim,
                                o + head * queries * vDim, queries, vDim, keys,
                                1.f);
}

// The sum or maximum over a block of 256 threads, to all of them.
template <class F> __device__ float reduceBlock(float x, F combine) {
  __shared__ float partial[8];
  for (int lane = 16; lane; lane /= 2)
    x = combine(x, __shfl_xor_sync(0xffffffffu, x, lane));
  __syncthreads();
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = x;
  __syncthreads();
  x = partial[0];
  for (int i = 1; i < 8; ++i)
    x = combine(x, partial[i]);
  return x;
}

// Softmax of each row in place, and its log-sum-exp. Grid: (queries, heads of
// this launch). A causal mask is aligned to the bottom right: query i sees key
// j if j - keys <= i - queries. A row that sees nothing gives 0 and -inf.
extern "C" __global__ void naive_softmax(float *s, float *lse, int firstHead,
                                         int queries, int keys, int causal) {
  const float minusInfinity = __int_as_float(0xff800000);
  long long row = blockIdx.x, head = firstHead + blockIdx.y;
  float *line = s + ((long long)blockIdx.y * queries + row) * keys;
  long long visible = keys;
  if (causal)
    visible = min(visible, row + 1 + keys - queries);
  visible = max(visible, 0ll);
  float top = minusInfinity;
  for (int j = threadIdx.x; j < visible; j += 256)
    top = fmaxf(top, line[j]);
  top = reduceBlock(top, [](float x, float y) { return fmaxf(x, y); });
  float sum = 0;
  for (int j = threadIdx.x; j < visible; j += 256)
    sum += expf(line[j] - top);
  sum = reduceBlock(sum, [](float x, float y) { return x + y; });
  for (int j = threadIdx.x; j < keys; j += 256)
    line[j] = j < visible ? expf(line[j] - top) / sum : 0.f;
  if (threadIdx.x == 0)
    lse[head * queries + row] = visible ? top + logf(sum) : minusInfinity;
}

#define SCORES(name, T)                                                        \
  extern "C" __global__ void __launch_bounds__(256)                            \
      name(const T *q, const T *k, float *s, int firstHead, int headsPerKv,    \
           int queries, int keys, int qkDim, float scale) {                    \
    scores(q, k, s, firstHead, headsPerKv, queries, keys, qkDim, scale);       \
  }
SCORES(naive_scores_bf16, bf16)
SCORES(naive_scores_f32, float)

// input type, output type
#define OUTPUT(name, T, TO)                                                    \
  extern "C" __global__ void __launch_bounds__(256)                            \
      name(const float *p, const T *v, TO *o, int firstHead, int headsPerKv,   \
           int queries, int keys, int vDim) {                                  \
    output(p, v, o, firstHead, headsPerKv, queries, keys, vDim);               \
  }
OUTPUT(naive_output_bf16_bf16, bf16, bf16)
OUTPUT(naive_output_bf16_f32, bf16, float)
OUTPUT(naive_output_f32_f32, float, float)

// Normally distributed numbers: element i depends on the seed and i alone
// (Box-Muller over the SplitMix64 hash).
template <class T>
__device__ void fill(T *to, long long count, unsigned seed, float deviation) {
  long long i = blockIdx.x * 256ll + threadIdx.x;
  for (; i < count; i += gridDim.x * 256ll) {
    u64 z = (u64)(i + 1) * 0x9E3779B97F4A7C15ull + seed * 0xD1B54A32D192ED03ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    float u = ((unsigned)z + 1.f) * 2.3283064e-10f;
    float w = (unsigned)(z >> 32) * 2.3283064e-10f;
    put(&to[i], deviation * sqrtf(-2.f * logf(fminf(u, 1.f))) *
                    cosf(6.2831853f * w));
  }
}
extern "C" __global__ void fill_normal_bf16(bf16 *to, long long count,
                                            unsigned seed, float deviation) {
  fill(to, count, seed, deviation);
}
extern "C" __global__ void fill_normal_f32(float *to, long long count,
                                           unsigned seed, float deviation) {
  fill(to, count, seed, deviation);
}
