//===- launch-binder.cpp - What a launch says of its arguments --*- C++ -*-===//
#include "Plans.h"
#include "Text.h"
#include "runtime/LaunchBinder.h"

#include "runtime/ParameterBlock.h"
#include "runtime/PlanJson.h"

#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace tilewright;

namespace {

/// Arguments that fit attentionPlan, to be spoilt one at a time.
struct Call {
  std::vector<ArgumentValue> positional = {
      dense(0x1000, DType::bf16, {2, 300, 64}),
      dense(0x2000, DType::bf16, {2, 500, 64}),
      dense(0x3000, DType::f32, {2, 300, 64}), 0.5};
  std::vector<NamedArgument> named = {
      {"window", 1024}, {"slopes", dense(0x4000, DType::f32, {2})}};

  TensorRef &tensor(int arg) { return positional[arg].tensor; }
};

struct LaunchBinderTest : testing::Test {
  LaunchBinder binder = llvm::cantFail(LaunchBinder::create(attentionPlan()));
  Binding binding = binder.emptyBinding();
  Call call;

  std::string bind() {
    return textOf(binder.bind(call.positional, call.named, 0, binding));
  }
};

TEST_F(LaunchBinderTest, Fits) {
  EXPECT_EQ(bind(), "success");
  EXPECT_EQ(binding.tiles, 2 * 3);
  EXPECT_EQ(binding.extents[binder.axisNumber("n")], 500);
  EXPECT_TRUE(binding.anyChanged);
  EXPECT_EQ(bind(), "success");
  EXPECT_FALSE(binding.anyChanged);
}

TEST_F(LaunchBinderTest, SaysWhatChanged) {
  EXPECT_EQ(bind(), "success");
  call.tensor(0).data = address(0x5000);
  EXPECT_EQ(bind(), "success");
  EXPECT_TRUE(binding.changed[0]);
  EXPECT_FALSE(binding.changed[1]);
  EXPECT_FALSE(binding.shapesChanged);
  call.positional[3] = 0.25;
  EXPECT_EQ(bind(), "success");
  EXPECT_FALSE(binding.changed[0]);
  EXPECT_TRUE(binding.changed[3]);
  call.positional[1] = dense(0x2000, DType::bf16, {2, 501, 64});
  EXPECT_EQ(bind(), "success");
  EXPECT_TRUE(binding.shapesChanged);
}

TEST_F(LaunchBinderTest, Count) {
  call.positional.pop_back();
  EXPECT_EQ(bind(),
            "kernel 'attend': wrong number of positional arguments: expected "
            "4 (q, k, o, scale), got 3; pass tensors and scalars in this "
            "order, and parameters and tables by name");
}

TEST_F(LaunchBinderTest, Names) {
  call.named[0].name = "widnow";
  EXPECT_EQ(bind(), "kernel 'attend': no parameter or table is called "
                    "'widnow': expected one of window, slopes; remove it or "
                    "correct its name");
  call.named.erase(call.named.begin());
  EXPECT_EQ(bind(), "kernel 'attend': parameter 'window': not bound: expected "
                    "a value of type i32, got none; pass {\"window\", ...} at "
                    "the launch");
  call.named = {{"window", 1}, {"window", 2}};
  EXPECT_EQ(bind(), "kernel 'attend': parameter 'window': bound twice: "
                    "expected one value, got two; remove one");
  call.named = {{"window", 1}};
  EXPECT_EQ(bind(), "kernel 'attend': table 'slopes': not bound: expected a "
                    "tensor of type f32, got none; pass {\"slopes\", ...} at "
                    "the launch");
}

TEST_F(LaunchBinderTest, Scalars) {
  call.named[0].value = 0.5;
  EXPECT_EQ(bind(), "kernel 'attend': parameter 'window': expected an integer "
                    "of type i32, got 0.50; pass an integer");
  call.named[0].value = int64_t(1) << 40;
  EXPECT_EQ(bind(), "kernel 'attend': parameter 'window': out of range: "
                    "expected a value of type i32, got 1099511627776");
  call.named[0].value = 1;
  call.positional[3] = call.positional[0];
  EXPECT_EQ(bind(), "kernel 'attend': argument 'scale': expected a number of "
                    "type f32, got a tensor; pass a number");
  call.positional[3] = ArgumentValue();
  EXPECT_CONTAINS(bind(), "expected a number of type f32, got nothing");
  call.positional[3] = 2; // an integer is a number, too
  EXPECT_EQ(bind(), "success");
}

TEST_F(LaunchBinderTest, Type) {
  call.tensor(1).type = DType::f16;
  EXPECT_EQ(bind(), "kernel 'attend': argument 'k': wrong element type: "
                    "expected bf16, got f16; convert the tensor, or compile "
                    "the kernel for f16");
  call.positional[1] = 1;
  EXPECT_EQ(bind(), "kernel 'attend': argument 'k': expected a tensor of type "
                    "bf16 [b, n, d], got a number; pass a tensor");
}

TEST_F(LaunchBinderTest, Rank) {
  call.positional[1] = dense(0x2000, DType::bf16, {500, 64});
  EXPECT_EQ(bind(), "kernel 'attend': argument 'k': wrong rank: expected 3 "
                    "dimensions [b, n, d], got 2; reshape the tensor");
}

TEST_F(LaunchBinderTest, ExtentNamesBoth) {
  call.positional[2] = dense(0x3000, DType::f32, {2, 299, 64});
  EXPECT_EQ(bind(), "kernel 'attend': argument 'o': extent of axis 'm': "
                    "expected 300 as in 'q' (dimension 1), got 299 (dimension "
                    "1); pass tensors of one extent");
  call.positional[2] = dense(0x3000, DType::f32, {2, 300, 64});
  call.named[1].value = dense(0x4000, DType::f32, {3});
  EXPECT_CONTAINS(bind(), "table 'slopes': extent of axis 'b': expected 2");
}

TEST_F(LaunchBinderTest, FixedExtent) {
  call.positional[0] = dense(0x1000, DType::bf16, {2, 300, 128});
  call.positional[1] = dense(0x2000, DType::bf16, {2, 500, 128});
  call.positional[2] = dense(0x3000, DType::f32, {2, 300, 128});
  EXPECT_EQ(bind(), "kernel 'attend': argument 'q': extent of axis 'd': "
                    "expected 64, for which the kernel was compiled, got 128; "
                    "compile the kernel for 128");
}

TEST_F(LaunchBinderTest, ExtentRange) {
  call.tensor(0).sizes[1] = longestAxis + 1;
  EXPECT_CONTAINS(bind(), "dimension 1 (axis 'm'): expected an extent of 0 to "
                          "2147418112, got 2147418113");
}

TEST_F(LaunchBinderTest, TensorMapStrides) {
  call.tensor(0).strides[2] = 2;
  EXPECT_EQ(bind(), "kernel 'attend': argument 'q': dimension 2 (axis 'd'): "
                    "expected stride 1, since the tensor memory accelerator "
                    "reads whole rows, got 2; make the tensor contiguous "
                    "there");
  call.tensor(0).strides = {300 * 65, 65, 1};
  EXPECT_EQ(bind(), "kernel 'attend': argument 'q': dimension 0 (axis 'b'): "
                    "expected a stride of a multiple of 16 bytes, got 39000 "
                    "bytes (19500 elements); pad the rows or copy the tensor");
  call.tensor(0).strides = {300 * 72, 72, 1};
  EXPECT_EQ(bind(), "success");
  // [m, b, d] in memory: strides need not fall.
  call.tensor(0).strides = {64, 128, 1};
  EXPECT_EQ(bind(), "success");
  // The stride of a single element is nobody's business.
  call.positional[1] = dense(0x2000, DType::bf16, {2, 1, 64});
  call.tensor(1).strides = {64, 7, 1};
  EXPECT_EQ(bind(), "success");
}

TEST_F(LaunchBinderTest, WhatTheCopyEngineCannotRead) {
  call.tensor(0).strides = {300 * 65, 65, 1};
  auto isNotCopyable = [&](const LaunchBinder &binder) {
    Binding binding = binder.emptyBinding();
    llvm::Error error = binder.bind(call.positional, call.named, 0, binding);
    bool result = error.isA<NotCopyable>();
    EXPECT_CONTAINS(textOf(std::move(error)),
                    "argument 'q': dimension 0 (axis 'b'): expected a stride "
                    "of a multiple of 16 bytes");
    return result;
  };
  EXPECT_FALSE(isNotCopyable(binder));
  LaunchPlan plan = attentionPlan();
  plan.params[0].map.replaceable = true;
  LaunchBinder mayDoWithout = llvm::cantFail(LaunchBinder::create(plan));
  EXPECT_TRUE(isNotCopyable(mayDoWithout));
  // Not if something else copies it as well.
  plan.params.push_back(attentionPlan().params[0]);
  LaunchBinder mayNot = llvm::cantFail(LaunchBinder::create(plan));
  EXPECT_FALSE(isNotCopyable(mayNot));
}

TEST_F(LaunchBinderTest, PointerStrides) {
  // The strides of b and m are passed, that of d is taken to be 1.
  call.tensor(2).strides = {40000, 65, 1};
  EXPECT_EQ(bind(), "success");
  call.tensor(2).strides = {40000, 130, 2};
  EXPECT_EQ(bind(), "kernel 'attend': argument 'o': dimension 2 (axis 'd'): "
                    "expected stride 1, got 2; make the tensor contiguous");
  call.tensor(2).strides = {0, 64, 1};
  EXPECT_EQ(bind(), "kernel 'attend': argument 'o': dimension 0 (axis 'b'): "
                    "expected a stride other than 0 in a tensor that is "
                    "written, got 0; make a tensor with its own elements");
  call.tensor(2).strides = {19200, -64, 1};
  EXPECT_CONTAINS(bind(), "expected a stride of 0 or more, got -64");
}

TEST_F(LaunchBinderTest, PointerWithoutStrideParametersIsDense) {
  LaunchPlan plan = attentionPlan();
  std::erase_if(plan.params, [](const Parameter &parameter) {
    return parameter.kind == Parameter::Kind::stride;
  });
  binder = llvm::cantFail(LaunchBinder::create(plan));
  EXPECT_EQ(bind(), "success");
  call.tensor(2).strides[0] = 40000;
  EXPECT_CONTAINS(bind(), "argument 'o': dimension 0 (axis 'b'): expected "
                          "stride 19200, got 40000");
}

TEST_F(LaunchBinderTest, Alignment) {
  call.tensor(0).data = address(0x1008);
  EXPECT_EQ(bind(), "kernel 'attend': argument 'q': misaligned address: "
                    "expected a multiple of 16 bytes, got 0x1008; allocate it "
                    "anew or copy it");
  call.tensor(0).data = address(0x1000);
  call.tensor(2).data = address(0x3002);
  EXPECT_CONTAINS(bind(), "argument 'o': misaligned address: expected a "
                          "multiple of 4 bytes");
  call.tensor(2).data = nullptr;
  EXPECT_CONTAINS(bind(), "argument 'o': null address");
}

TEST_F(LaunchBinderTest, AlignmentOfVectorAccess) {
  LaunchPlan plan = attentionPlan();
  plan.params[2].alignBytes = 16;
  binder = llvm::cantFail(LaunchBinder::create(plan));
  call.tensor(2).data = address(0x3008);
  EXPECT_CONTAINS(bind(), "expected a multiple of 16 bytes");
  call.tensor(2).data = address(0x3000);
  call.tensor(2).strides = {40000, 65, 1};
  EXPECT_CONTAINS(bind(), "dimension 1 (axis 'm'): expected a stride of a "
                          "multiple of 16 bytes, got 260 bytes");
}

TEST_F(LaunchBinderTest, Positive) {
  LaunchPlan plan = attentionPlan();
  plan.args[3].kind = ArgKind::positive;
  binder = llvm::cantFail(LaunchBinder::create(plan));
  EXPECT_EQ(bind(), "success");
  for (double scale : {0.0, -0.5, std::nan("")}) {
    call.positional[3] = scale;
    EXPECT_CONTAINS(bind(), "argument 'scale': expected a number above 0, got");
  }
}

TEST_F(LaunchBinderTest, Device) {
  call.tensor(1).device = hostDevice;
  EXPECT_EQ(bind(), "kernel 'attend': argument 'k': in the wrong place: "
                    "expected GPU 0, got CPU memory; copy the tensor, or run "
                    "the kernel there");
  call.tensor(1).device = 3;
  EXPECT_CONTAINS(bind(), "expected GPU 0, got GPU 3");
}

TEST_F(LaunchBinderTest, Empty) {
  // No keys: launch, and see nothing. No address is needed.
  call.positional[1] = dense(0, DType::bf16, {2, 0, 64});
  EXPECT_EQ(bind(), "success");
  EXPECT_EQ(binding.tiles, 6);
  // No queries: nothing to do.
  call.positional[0] = dense(0, DType::bf16, {2, 0, 64});
  call.positional[2] = dense(0, DType::f32, {2, 0, 64});
  EXPECT_EQ(bind(), "success");
  EXPECT_EQ(binding.tiles, 0);
}

TEST_F(LaunchBinderTest, ErrorLeavesNothingBehind) {
  EXPECT_EQ(bind(), "success");
  call.tensor(1).type = DType::f16;
  EXPECT_NE(bind(), "success");
  call.tensor(1).type = DType::bf16;
  EXPECT_EQ(bind(), "success");
  EXPECT_TRUE(binding.changed[0]);
  EXPECT_TRUE(binding.shapesChanged);
}

TEST_F(LaunchBinderTest, TooManyTiles) {
  LaunchPlan plan = attentionPlan();
  plan.grid = {{"b", 1}, {"m", 1}, {"n", 1}};
  binder = llvm::cantFail(LaunchBinder::create(plan));
  call.positional[0] = dense(0x1000, DType::bf16, {2, 1 << 16, 64});
  call.positional[1] = dense(0x1000, DType::bf16, {2, 1 << 16, 64});
  call.positional[2] = dense(0x1000, DType::f32, {2, 1 << 16, 64});
  EXPECT_CONTAINS(bind(), "too much work for one launch: expected at most "
                          "2147483647 tiles, got 8589934592");
}

TEST_F(LaunchBinderTest, Workspaces) {
  LaunchPlan plan = attentionPlan();
  plan.workspaces = {{{{"b", 1}, {"m", 128}}, {"n", 64}}};
  binder = llvm::cantFail(LaunchBinder::create(plan));
  EXPECT_EQ(bind(), "success");
  // 2 batches, 3 tiles of 300 queries, 8 tiles of 500 keys and a header.
  EXPECT_EQ(llvm::cantFail(binder.workspaceBytes(0, binding)),
            2 * 3 * (8 + 2) * 4);
  binding.extents[binder.axisNumber("m")] = 1 << 30;
  binding.extents[binder.axisNumber("n")] = 1 << 20;
  EXPECT_CONTAINS(textOf(binder.workspaceBytes(0, binding)),
                  "too many tiles for the list of those that a mask leaves");
}

TEST(LaunchPlanTest, Contradictions) {
  auto text = [](auto spoil) {
    LaunchPlan plan = attentionPlan();
    spoil(plan);
    return textOf(LaunchBinder::create(plan));
  };
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.params[0].arg = 9; }),
                  "internal error: the launch plan of kernel 'attend' is "
                  "wrong: parameter 0 names argument 9");
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.params[0].map.box[1] = 300; }),
                  "a box side of 300");
  EXPECT_CONTAINS(
      text([](LaunchPlan &p) { p.params[0].map.swizzleBytes = 64; }),
      "swizzles rows of 128 bytes by 64");
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.params[5].axis = "x"; }),
                  "extent of axis 'x', which no tensor argument has");
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.grid[0].axis = "x"; }),
                  "grid axis 'x'");
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.params[3].dim = 3; }),
                  "names dimension 3 of 'o'");
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.params[7].arg = 0; }),
                  "mistakes a scalar");
  EXPECT_CONTAINS(text([](LaunchPlan &p) {
                    p.params[10].kind = Parameter::Kind::workspace;
                    p.params[10].arg = 0;
                  }),
                  "names workspace 0, which is not");
  EXPECT_CONTAINS(text([](LaunchPlan &p) { p.workspaces = {{{}, {"x", 1}}}; }),
                  "a workspace has an axis that no tensor argument has");
}

TEST(LaunchPlanTest, JsonRoundTrip) {
  LaunchPlan plan = attentionPlan();
  plan.persistent = true;
  plan.cluster = 2;
  plan.grid.back().multiple = 2;
  plan.params[2].alignBytes = 16;
  plan.workspaces = {{{{"b", 1}, {"m", 128}}, {"n", 64}}};
  auto print = [](const LaunchPlan &plan) {
    std::string text;
    llvm::raw_string_ostream(text) << toJson(plan);
    return text;
  };
  std::string text = print(plan);
  LaunchPlan again =
      llvm::cantFail(planFromJson(llvm::cantFail(llvm::json::parse(text))));
  EXPECT_EQ(print(again), text);
  EXPECT_EQ(again.params[1].map.box[1], 80);
  EXPECT_EQ(again.params[2].alignBytes, 16);
  EXPECT_EQ(again.cluster, 2);
  EXPECT_EQ(again.grid.back().multiple, 2);
  ASSERT_EQ(again.workspaces.size(), 1u);
  EXPECT_EQ(again.workspaces[0].records[1].tile, 128);
  EXPECT_EQ(again.workspaces[0].walked.axis, "n");
  EXPECT_EQ(textOf(planFromJson(llvm::json::Object{{"entry", 1}})),
            "expected string at launch plan.entry");
}

TEST(StoreScalar, Types) {
  uint64_t slot = 0;
  storeScalar(0.5, DType::f32, &slot);
  EXPECT_EQ(slot, 0x3f000000u);
  slot = 0;
  storeScalar(1, DType::bf16, &slot);
  EXPECT_EQ(slot, 0x3f80u);
  slot = 0;
  storeScalar(1.0, DType::f16, &slot);
  EXPECT_EQ(slot, 0x3c00u);
  slot = 0;
  storeScalar(-2, DType::i32, &slot);
  EXPECT_EQ(slot, 0xfffffffeu);
  slot = 0;
  storeScalar(true, DType::i1, &slot);
  EXPECT_EQ(slot, 1u);
}

TEST(TensorMapShapeTest, Dense) {
  TensorMapSpec spec{{2, 1, 0}, {64, 128, 1}, 128};
  TensorMapShape shape = shapeTensorMap(
      spec, dense(0x1000, DType::bf16, {2, 300, 64}), address(0x9000));
  EXPECT_EQ(shape.address, address(0x1000));
  EXPECT_EQ(shape.rank, 3u);
  EXPECT_EQ(shape.sizes, (std::array<uint64_t, 5>{64, 300, 2}));
  EXPECT_EQ(shape.strideBytes, (std::array<uint64_t, 4>{128, 300 * 128}));
  EXPECT_EQ(shape.box, (std::array<uint32_t, 5>{64, 128, 1}));
  EXPECT_EQ(shape.swizzle, cuda::TensorMapSwizzle::b128);
  EXPECT_EQ(shape.type, cuda::TensorMapType::bfloat16);
}

TEST(TensorMapShapeTest, SingleElementsAndEmpty) {
  TensorMapSpec spec{{2, 1, 0}, {64, 128, 1}, 128};
  TensorRef tensor = dense(0x1000, DType::bf16, {1, 1, 40});
  tensor.strides = {3, 5, 1};
  TensorMapShape shape = shapeTensorMap(spec, tensor, address(0x9000));
  EXPECT_EQ(shape.strideBytes, (std::array<uint64_t, 4>{80, 80}));
  shape =
      shapeTensorMap(spec, dense(0, DType::bf16, {2, 0, 64}), address(0x9000));
  EXPECT_EQ(shape.address, address(0x9000));
  EXPECT_EQ(shape.sizes, (std::array<uint64_t, 5>{64, 1, 1}));
  shape = shapeTensorMap(spec, dense(0, DType::bf16, {0, 5, 1 << 20}),
                         address(0x9000));
  EXPECT_EQ(shape.sizes, (std::array<uint64_t, 5>{emptyRowBytes / 2, 1, 1}));
}

} // namespace
