//===- Device.h - GPUs and what lives on them -------------------*- C++ -*-===//
//
// Owners of CUDA objects. Each is movable, frees what it owns, and stands for
// one device; its calls make that device's primary context current, which is
// the one that the CUDA runtime, and so PyTorch, uses.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/DriverApi.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <atomic>
#include <string>
#include <utility>

namespace tilewright {

struct DeviceProperties {
  std::string name;
  std::string pciBusId; ///< "0000:19:00.0"
  int index = 0;
  int computeMajor = 0, computeMinor = 0;
  int multiprocessors = 0;
  int64_t memoryBytes = 0;
  int64_t l2Bytes = 0;
  int64_t sharedBytesPerBlock = 0; ///< at most, static and dynamic together
  double clockMHz = 0;             ///< highest, of the multiprocessors
  double memoryClockMHz = 0;
  int memoryBusBits = 0;
  bool ecc = false;
  int driverVersion = 0; ///< as CUDA counts: 12040 is 12.4

  /// Bytes a second that the memory bus can move at its highest clock.
  double memoryBytesPerSecond() const {
    return 2 * memoryClockMHz * 1e6 * memoryBusBits / 8;
  }
};

/// One GPU. Devices live as long as the process: the driver may be gone before
/// static destructors run, so the context is not released.
class Device {
public:
  /// GPUs that the driver shows, or why there are none.
  static llvm::Expected<int> count();
  /// The device with this index. The same object at every call.
  static llvm::Expected<Device &> get(int index = 0);

  const cuda::DriverApi &driver() const { return api; }
  const DeviceProperties &properties() const { return info; }
  int index() const { return info.index; }

  /// Makes the context current in this thread.
  llvm::Error activate() const;
  /// Waits for all work on the device.
  llvm::Error synchronize() const;
  /// Bytes that an allocation can still take.
  llvm::Expected<int64_t> freeBytes() const;

  /// Bytes in live Buffers: now, and at most since the last reset.
  int64_t allocatedBytes() const { return allocated; }
  int64_t peakBytes() const { return peak; }
  void resetPeak() { peak = allocated.load(); }

private:
  friend class Buffer;
  explicit Device(const cuda::DriverApi &api) : api(api) {}
  static llvm::Expected<Device *> open(const cuda::DriverApi &api, int index);

  const cuda::DriverApi &api;
  cuda::CUdevice handle = 0;
  cuda::CUcontext context = nullptr;
  DeviceProperties info;
  std::atomic<int64_t> allocated = 0, peak = 0;
};

/// Device memory.
class Buffer {
public:
  Buffer() = default;
  /// `bytes` may be 0; the address is then null. The contents are undefined.
  static llvm::Expected<Buffer> allocate(Device &device, int64_t bytes);
  Buffer(Buffer &&other) noexcept { *this = std::move(other); }
  Buffer &operator=(Buffer &&other) noexcept;
  ~Buffer() { release(); }

  cuda::CUdeviceptr address() const { return pointer; }
  void *data() const { return reinterpret_cast<void *>(pointer); }
  int64_t bytes() const { return size; }

  /// Copies between host memory and the start of the buffer, and waits. Fails
  /// if the buffer is shorter.
  llvm::Error upload(const void *host, int64_t bytes) const;
  llvm::Error download(void *host, int64_t bytes) const;
  /// Sets every byte, and waits.
  llvm::Error fill(unsigned char value) const;

private:
  void release();
  llvm::Error checkRange(int64_t bytes) const;

  Device *device = nullptr;
  cuda::CUdeviceptr pointer = 0;
  int64_t size = 0;
};

/// A queue of work. Its work and that of the default stream (null) wait for
/// each other.
class Stream {
public:
  static llvm::Expected<Stream> create(Device &device);
  Stream(Stream &&other) noexcept
      : device(other.device), handle(std::exchange(other.handle, nullptr)) {}
  Stream &operator=(Stream &&other) noexcept {
    std::swap(device, other.device);
    std::swap(handle, other.handle);
    return *this;
  }
  ~Stream();

  operator cuda::CUstream() const { return handle; }
  llvm::Error synchronize() const;

private:
  Stream(Device &device, cuda::CUstream handle)
      : device(&device), handle(handle) {}
  Device *device;
  cuda::CUstream handle;
};

/// A point in a stream's work, with its time.
class Event {
public:
  static llvm::Expected<Event> create(Device &device);
  Event(Event &&other) noexcept
      : device(other.device), handle(std::exchange(other.handle, nullptr)) {}
  Event &operator=(Event &&other) noexcept {
    std::swap(device, other.device);
    std::swap(handle, other.handle);
    return *this;
  }
  ~Event();

  llvm::Error record(cuda::CUstream stream) const;
  /// Waits until the work before the event is done.
  llvm::Error synchronize() const;
  /// Microseconds from `start` to this event; both must be done.
  llvm::Expected<double> microsecondsSince(const Event &start) const;

private:
  Event(Device &device, cuda::CUevent handle)
      : device(&device), handle(handle) {}
  Device *device;
  cuda::CUevent handle;
};

/// Work recorded once and launched as a whole.
class Graph {
public:
  /// Records what `work` puts into `stream`; nothing runs.
  static llvm::Expected<Graph> capture(Device &device, cuda::CUstream stream,
                                       llvm::function_ref<llvm::Error()> work);
  Graph(Graph &&other) noexcept
      : device(other.device), handle(std::exchange(other.handle, nullptr)) {}
  Graph &operator=(Graph &&other) noexcept {
    std::swap(device, other.device);
    std::swap(handle, other.handle);
    return *this;
  }
  ~Graph();

  llvm::Error launch(cuda::CUstream stream) const;

private:
  Graph(Device &device, cuda::CUgraphExec handle)
      : device(&device), handle(handle) {}
  Device *device;
  cuda::CUgraphExec handle;
};

/// A loaded image of device code.
class Module {
public:
  /// Loads a cubin, or PTX, which the driver then assembles. `name` is for
  /// error texts.
  static llvm::Expected<Module> load(Device &device, llvm::StringRef name,
                                     llvm::StringRef image);
  Module(Module &&other) noexcept
      : device(other.device), handle(std::exchange(other.handle, nullptr)),
        text(std::move(other.text)) {}
  Module &operator=(Module &&other) noexcept {
    std::swap(device, other.device);
    std::swap(handle, other.handle);
    std::swap(text, other.text);
    return *this;
  }
  ~Module();

  llvm::Expected<cuda::CUfunction> function(llvm::StringRef name) const;
  /// What the driver's assembler said; empty for a cubin.
  llvm::StringRef log() const { return text; }

private:
  Module(Device &device, cuda::CUmodule handle, std::string text)
      : device(&device), handle(handle), text(std::move(text)) {}
  Device *device;
  cuda::CUmodule handle;
  std::string text;
};

} // namespace tilewright
