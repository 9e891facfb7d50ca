//===- flash_common.cuh - What the flash attention references share -------===//
//
// The problem, the order of its tiles, and the softmax on the fragments of an
// MMA. The including file chooses HEAD_DIM, CAUSAL and, if it has 16-bit
// elements, ELEMENT.
//
// Tensors are dense: q and o [heads, queries, headDim], k and v [heads /
// headsPerKv, keys, headDim], lse fp32 [heads, queries]. A causal mask is
// aligned to the bottom right: query i sees key j if j - keys <= i - queries. A
// query that sees nothing gives 0 and -inf.
//
//===----------------------------------------------------------------------===//
#pragma once

#ifndef HEAD_DIM // 64 or 128
#define HEAD_DIM 128
#endif
#ifndef CAUSAL
#define CAUSAL 0
#endif
#ifndef ELEMENT // bf16 or f16
#define ELEMENT bf16
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define DEVICE __device__ __forceinline__

typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;

constexpr int headDim = HEAD_DIM;
constexpr bool causal = CAUSAL;
static_assert(headDim == 64 || headDim == 128, "");

struct Problem {
  int queries, keys, heads, headsPerKv;
  int queryTiles, tiles; // of a head, of all heads
  int headGroup;         // causal: heads whose keys and values fit the L2 cache
  float scale;           // of the scores, positive
  float scaleOfExp2;     // scale * log2(e)
};

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

struct Tile {
  int query, head, steps; // steps over the keys, at least one
};

// Causal: heads in groups; within one, the longest tiles first.
template <int blockM, int blockN>
DEVICE Tile tileOf(const Problem &p, int index) {
  Tile tile;
  if (causal) {
    u32 perGroup = (u32)p.headGroup * (u32)p.queryTiles;
    u32 group = (u32)index / perGroup, rest = (u32)index % perGroup;
    int first = (int)group * p.headGroup;
    u32 heads = (u32)min(p.headGroup, p.heads - first);
    int row = p.queryTiles - 1 - (int)(rest / heads);
    tile.query = row * blockM;
    tile.head = first + (int)(rest % heads);
    // The first key that no query of the tile sees.
    int end = min(tile.query + blockM + p.keys - p.queries, p.keys);
    tile.steps = max((int)((u32)(max(end, 0) + blockN - 1) / (u32)blockN), 1);
  } else {
    tile.query = (int)((u32)index % (u32)p.queryTiles) * blockM;
    tile.head = (int)((u32)index / (u32)p.queryTiles);
    tile.steps = max((int)((u32)(p.keys + blockN - 1) / (u32)blockN), 1);
  }
  return tile;
}

// Steps whose keys all queries of a causal tile see: those before this one.
template <int blockN>
DEVICE int unmaskedSteps(const Problem &p, const Tile &tile) {
  return max(tile.query + 1 + p.keys - p.queries, 0) / blockN;
}

// How many keys from `first` on a query sees; may be negative.
DEVICE int visibleFrom(const Problem &p, int query, int first) {
  int visible = p.keys - first;
  return causal ? min(visible, query + 1 + p.keys - p.queries - first)
                : visible;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

DEVICE float minusInfinity() { return __int_as_float(0xff800000); }
DEVICE float exp2Approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float log2Approx(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// Two numbers rounded to 16 bits, `low` in the lower half.
DEVICE u32 packTwo(float low, float high) {
  u32 packed;
  asm("cvt.rn." TEXT(ELEMENT) "x2.f32 %0, %1, %2;"
      : "=r"(packed)
      : "f"(high), "f"(low));
  return packed;
}

//===----------------------------------------------------------------------===//
// Softmax on an accumulator fragment
//===----------------------------------------------------------------------===//

// A thread's part of 16 rows of an accumulator: element i stands in row
// lane / 4 + 8 * rowOf(i), column 2 * (lane % 4) + columnOf(i).
DEVICE constexpr int rowOf(int i) { return i / 2 % 2; }
DEVICE constexpr int columnOf(int i) { return i / 4 * 8 + i % 2; }

// Combines a row's elements in four chains, so that one need not wait for the
// last.
template <int count, class F>
DEVICE float combineRow(const float (&x)[count], int row, F combine) {
  float part[4];
#pragma unroll
  for (int i = 0; i < count / 2; ++i) {
    float value = x[i / 2 * 4 + 2 * row + i % 2];
    part[i % 4] = i < 4 ? value : combine(part[i % 4], value);
  }
  return combine(combine(part[0], part[1]), combine(part[2], part[3]));
}
DEVICE float larger(float x, float y) { return fmaxf(x, y); }
DEVICE float plus(float x, float y) { return x + y; }

// Four neighbouring threads hold a row.
template <class F> DEVICE float combineQuad(float x, F combine) {
  x = combine(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return combine(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

// Hides the scores of keys that are not among the first `visible` ones of a
// row, counted from the thread's first column.
template <int count>
DEVICE void maskScores(float (&s)[count], int visible0, int visible1) {
#pragma unroll
  for (int i = 0; i < count; ++i)
    s[i] =
        columnOf(i) < (rowOf(i) ? visible1 : visible0) ? s[i] : minusInfinity();
}

// Of two rows: the largest score so far, the sum of this thread's exponentials,
// and by how much what came before the present step shrinks.
struct SoftmaxState {
  float m[2], sum[2], decay[2];
};

// Scores to exponentials relative to the largest score so far.
template <bool masked, bool first, int count>
DEVICE void softmax(float (&s)[count], SoftmaxState &state, float scaleOfExp2) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float top = combineRow(s, r, larger);
    if (!first)
      top = fmaxf(top, state.m[r]);
    top = combineQuad(top, larger);
    // A row that has seen nothing: keep the infinity out of the exponent.
    float shift = -scaleOfExp2 * (masked && top == minusInfinity() ? 0.f : top);
    if (!first)
      state.decay[r] = exp2Approx(fmaf(state.m[r], scaleOfExp2, shift));
    state.m[r] = top;
#pragma unroll
    for (int i = 0; i < count; ++i)
      if (rowOf(i) == r)
        s[i] = exp2Approx(fmaf(s[i], scaleOfExp2, shift));
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float sum = combineRow(s, r, plus);
    state.sum[r] = first ? sum : fmaf(state.sum[r], state.decay[r], sum);
  }
}

// The end: what O is to be multiplied by, and the log-sum-exp.
DEVICE void finish(const SoftmaxState &state, float scale, float (&factor)[2],
                   float (&lse)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float total = combineQuad(state.sum[r], plus);
    factor[r] = total > 0 ? __frcp_rn(total) : 0.f;
    lse[r] = total > 0 ? fmaf(state.m[r], scale,
                              log2Approx(total) * 0.69314718055994531f)
                       : minusInfinity();
  }
}

template <bool b> struct Bool {
  static constexpr bool value = b;
};
