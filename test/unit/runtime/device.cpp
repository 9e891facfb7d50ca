//===- device.cpp - Devices and what lives on them --------------*- C++ -*-===//
#include "runtime/Device.h"
#include "FakeDevice.h"

#include "runtime/Clocks.h"
#include "runtime/Timing.h"
#include "runtime/Tuner.h"

using namespace tilewright;
using DeviceTest = FakeDeviceTest;

namespace {

TEST_F(DeviceTest, NoDriver) {
  EXPECT_CONTAINS(textOf(cuda::DriverApi::load("/nowhere/libcuda.so.1")),
                  "/nowhere/libcuda.so.1");
  EXPECT_CONTAINS(textOf(cuda::DriverApi::load("libm.so.6")),
                  "'libm.so.6' is no CUDA driver");
}

TEST_F(DeviceTest, OldDriver) {
  setenv("FAKE_CUDA_VERSION", "11080", 1);
  std::string text = textOf(cuda::DriverApi::load(FAKE_CUDA_DRIVER));
  unsetenv("FAKE_CUDA_VERSION");
  EXPECT_CONTAINS(text, "the CUDA driver is too old: expected CUDA 12.0 or "
                        "newer, got 11.8");
  EXPECT_EQ(cuda::versionText(12040), "12.4");
}

TEST_F(DeviceTest, Properties) {
  const DeviceProperties &info = device.properties();
  EXPECT_EQ(info.name, "Fake GPU");
  EXPECT_EQ(info.pciBusId, "0000:ff:1f.0");
  EXPECT_FALSE(sampleClocks(device).has_value()); // NVML knows no such GPU
  EXPECT_EQ(info.computeMajor, 9);
  EXPECT_EQ(info.multiprocessors, 5);
  EXPECT_EQ(info.sharedBytesPerBlock, 232448);
  EXPECT_EQ(info.clockMHz, 1000);
  EXPECT_EQ(info.memoryBytesPerSecond(), 2 * 1e9 * 64);
  EXPECT_EQ(info.driverVersion, 13000);
  EXPECT_EQ(&llvm::cantFail(Device::get(0)), &device);
  EXPECT_EQ(textOf(Device::get(1).takeError()),
            "no GPU with index 1: expected one of 0..0; CUDA_VISIBLE_DEVICES "
            "chooses which are seen");
}

TEST_F(DeviceTest, Buffers) {
  int64_t before = device.allocatedBytes();
  {
    Buffer buffer = llvm::cantFail(Buffer::allocate(device, 16));
    int values[4] = {1, 2, 3, 4}, back[4] = {};
    EXPECT_EQ(textOf(buffer.upload(values, 16)), "success");
    EXPECT_EQ(textOf(buffer.download(back, 16)), "success");
    EXPECT_EQ(back[3], 4);
    EXPECT_EQ(textOf(buffer.fill(0)), "success");
    EXPECT_EQ(textOf(buffer.download(back, 16)), "success");
    EXPECT_EQ(back[3], 0);
    EXPECT_EQ(textOf(buffer.upload(values, 17)),
              "copy of 17 bytes: expected at most the buffer's 16");
    Buffer moved = std::move(buffer);
    EXPECT_EQ(buffer.data(), nullptr);
    EXPECT_EQ(device.allocatedBytes(), before + 16);
  }
  EXPECT_EQ(device.allocatedBytes(), before);
  EXPECT_GE(device.peakBytes(), before + 16);
  device.resetPeak();
  EXPECT_EQ(device.peakBytes(), before);
  Buffer empty = llvm::cantFail(Buffer::allocate(device, 0));
  EXPECT_EQ(empty.data(), nullptr);
  EXPECT_EQ(textOf(empty.fill(0)), "success");
}

TEST_F(DeviceTest, OutOfMemoryIsTold) {
  auto buffer = Buffer::allocate(device, int64_t(1) << 40);
  ASSERT_FALSE(bool(buffer));
  llvm::handleAllErrors(buffer.takeError(), [](const cuda::DriverError &error) {
    EXPECT_EQ(error.code(), cuda::errorOutOfMemory);
    EXPECT_EQ(error.message(),
              "cuMemAlloc of 1099511627776 bytes failed: out of memory "
              "(CUDA_ERROR_OUT_OF_MEMORY)");
  });
}

TEST_F(DeviceTest, Times) {
  Stream stream = llvm::cantFail(Stream::create(device));
  EXPECT_EQ(textOf(stream.synchronize()), "success");
  Buffer a = llvm::cantFail(Buffer::allocate(device, 64));
  auto copy = [&] { // ten microseconds of the fake clock
    return device.driver().check(device.driver().memcpyDtoDAsync(
                                     a.address() + 32, a.address(), 32, stream),
                                 "copy");
  };
  Timing timing = llvm::cantFail(
      timeOnDevice(device, stream, copy, {.minSamples = 5, .maxSamples = 40}));
  EXPECT_EQ(timing.samples, 40);
  EXPECT_NEAR(timing.medianUs, 10, 1e-3);
  EXPECT_NEAR(timing.deviationUs, 0, 1e-3);
  Timing host = llvm::cantFail(timeLaunchOverhead(device, stream, copy));
  EXPECT_GT(host.minUs, 0);
  double bandwidth = llvm::cantFail(measureCopyBandwidth(device));
  EXPECT_GT(bandwidth, 1e12); // 16 MiB twice in ten microseconds
}

} // namespace
