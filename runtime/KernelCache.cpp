//===- KernelCache.cpp - Compiled kernels on disk ---------------*- C++ -*-===//
//
// A file is: a line with the format's name, a line with the SHA-256 of what
// follows, a line of JSON with the plan and the sizes of the rest, and the
// rest: PTX, bitcode, cubin, log, object file, and such a file for each kernel
// that is launched in front.
//
//===----------------------------------------------------------------------===//
#include "runtime/KernelCache.h"
#include "runtime/Assembler.h"
#include "runtime/Environment.h"
#include "runtime/KeyLock.h"
#include "runtime/PlanJson.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CachePruning.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

#include <dlfcn.h>
#include <link.h>

using namespace llvm;

namespace tilewright {

/// Changes whenever the format does: older files then are not found.
static constexpr StringLiteral formatName = "tilewright kernel 3";

static constexpr std::chrono::seconds patience(60);

static std::string sha256(StringRef text) {
  return toHex(SHA256::hash(arrayRefFromStringRef(text)), /*LowerCase=*/true);
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

std::string writeImage(const KernelImage &image) {
  std::string body;
  raw_string_ostream os(body);
  std::vector<std::string> before;
  for (const KernelImage &one : image.before)
    before.push_back(writeImage(one));
  SmallVector<const std::string *> parts{&image.kernel.ptx,
                                         &image.kernel.bitcode, &image.cubin,
                                         &image.assemblerLog, &image.object};
  for (const std::string &one : before)
    parts.push_back(&one);
  json::Array sizes;
  for (const std::string *part : parts)
    sizes.push_back(int64_t(part->size()));
  os << json::Value(json::Object{{"plan", toJson(image.kernel.plan)},
                                 {"compileMs", image.kernel.compileMs},
                                 {"sizes", std::move(sizes)}})
     << '\n';
  for (const std::string *part : parts)
    os << *part;
  return (formatName + "\n" + sha256(body) + "\n" + body).str();
}

Expected<KernelImage> readImage(StringRef file) {
  auto damaged = [](const Twine &what) {
    return createStringError("damaged kernel file: " + what);
  };
  auto [format, afterFormat] = file.split('\n');
  if (format != formatName)
    return damaged("expected the format '" + formatName + "'");
  auto [checksum, body] = afterFormat.split('\n');
  if (checksum != sha256(body))
    return damaged("the checksum differs");
  auto [header, rest] = body.split('\n');
  Expected<json::Value> value = json::parse(header);
  if (!value)
    return value.takeError();
  json::Object *object = value->getAsObject();
  json::Array *sizes = object ? object->getArray("sizes") : nullptr;
  json::Value *planValue = object ? object->get("plan") : nullptr;
  KernelImage image;
  SmallVector<std::string *> parts{&image.kernel.ptx, &image.kernel.bitcode,
                                   &image.cubin, &image.assemblerLog,
                                   &image.object};
  if (!planValue || !sizes || sizes->size() < parts.size())
    return damaged("its header lacks fields");
  std::vector<std::string> before(sizes->size() - parts.size());
  for (std::string &one : before)
    parts.push_back(&one);
  Expected<LaunchPlan> plan = planFromJson(*planValue);
  if (!plan)
    return plan.takeError();
  image.kernel.plan = std::move(*plan);
  image.kernel.compileMs = object->getNumber("compileMs").value_or(0);
  for (auto [part, size] : zip_equal(parts, *sizes)) {
    uint64_t bytes = size.getAsUINT64().value_or(UINT64_MAX);
    if (bytes > rest.size())
      return damaged("it is too short");
    *part = rest.take_front(bytes).str();
    rest = rest.drop_front(bytes);
  }
  for (const std::string &one : before) {
    Expected<KernelImage> read = readImage(one);
    if (!read)
      return read.takeError();
    image.before.push_back(std::move(*read));
  }
  return image;
}

//===----------------------------------------------------------------------===//
// The folder
//===----------------------------------------------------------------------===//

static std::string processFolder() {
  if (!env::cache())
    return "";
  if (std::string chosen = env::cacheDir(); !chosen.empty())
    return chosen;
  // XDG_CACHE_HOME, else ~/.cache.
  SmallString<128> path;
  if (!sys::path::cache_directory(path))
    return "";
  sys::path::append(path, "tilewright");
  return path.str().str();
}

KernelCache &KernelCache::process() {
  static auto &cache = *new KernelCache(
      processFolder(), std::max<int64_t>(env::cacheMib(), 0) << 20);
  return cache;
}

std::string KernelCache::key(ArrayRef<StringRef> parts) {
  SHA256 hash;
  for (StringRef part : parts) {
    char size[8];
    support::endian::write64le(size, part.size());
    hash.update(StringRef(size, sizeof size));
    hash.update(part);
  }
  return toHex(hash.final(), /*LowerCase=*/true);
}

std::string KernelCache::pathOf(StringRef key) const {
  // LLVM's pruning takes files of this prefix, in one folder, for entries.
  SmallString<128> path(folder);
  sys::path::append(path, "llvmcache-" + key);
  return path.str().str();
}

void KernelCache::prune(int64_t storedBytes) {
  if (limitBytes <= 0)
    return;
  // Looking through the folder takes time: do it at a process's first entry,
  // then after every 64th of the limit.
  int64_t unpruned = unprunedBytes.load();
  if (unpruned >= 0 &&
      unprunedBytes.fetch_add(storedBytes) + storedBytes < limitBytes / 64)
    return;
  unprunedBytes = 0;
  CachePruningPolicy policy;
  policy.Interval = std::chrono::seconds(0);
  policy.Expiration = std::chrono::seconds(0);
  policy.MaxSizeBytes = uint64_t(limitBytes);
  pruneCache(folder, policy);
}

void KernelCache::warnOnce(const Twine &what) {
  if (!warned.exchange(true))
    WithColor::warning() << "the kernel cache '" << folder
                         << "' cannot be used: " << what
                         << "; kernels are compiled at every start. Name a "
                            "writable folder by TILEWRIGHT_CACHE_DIR, or turn "
                            "the cache off by TILEWRIGHT_CACHE=0\n";
}

bool KernelCache::makeFolderOf(StringRef path) {
  std::error_code code =
      sys::fs::create_directories(sys::path::parent_path(path));
  if (code)
    warnOnce(code.message());
  return !code;
}

std::optional<KernelImage> KernelCache::find(StringRef key) {
  if (folder.empty())
    return std::nullopt;
  // The time of access is what pruning goes by; file systems alone keep it too
  // coarsely.
  std::string path = pathOf(key);
  Expected<sys::fs::file_t> handle =
      sys::fs::openNativeFileForRead(path, sys::fs::OF_UpdateAtime);
  if (!handle) {
    consumeError(handle.takeError());
    return std::nullopt;
  }
  auto file = MemoryBuffer::getOpenFile(*handle, path, /*FileSize=*/-1,
                                        /*RequiresNullTerminator=*/false);
  sys::fs::closeFile(*handle);
  if (!file)
    return std::nullopt;
  Expected<KernelImage> image = readImage((*file)->getBuffer());
  if (!image) {
    consumeError(image.takeError());
    return std::nullopt;
  }
  return std::move(*image);
}

void KernelCache::store(StringRef key, const KernelImage &image) {
  if (folder.empty())
    return;
  std::string path = pathOf(key);
  if (!makeFolderOf(path))
    return;
  // The temporary file lies beside its goal: a rename is atomic only within a
  // file system.
  Expected<sys::fs::TempFile> temporary =
      sys::fs::TempFile::create(path + ".%%%%%%%%.tmp");
  if (!temporary)
    return warnOnce(toString(temporary.takeError()));
  std::error_code code;
  std::string text = writeImage(image);
  {
    raw_fd_ostream os(temporary->FD, /*shouldClose=*/false);
    os << text;
    os.flush();
    code = os.error();
    os.clear_error();
  }
  if (code) {
    consumeError(temporary->discard());
    return warnOnce(code.message());
  }
  if (Error error = temporary->keep(path))
    return warnOnce(toString(std::move(error)));
  prune(int64_t(text.size()));
}

Expected<KernelImage> KernelCache::findOrBuild(
    StringRef key, function_ref<Expected<KernelImage>()> build, bool *found) {
  if (found)
    *found = true;
  if (std::optional<KernelImage> image = find(key))
    return std::move(*image);

  // The lock saves work, no more: whatever goes wrong with it, we build.
  std::optional<KeyLock> lock;
  if (std::string path = pathOf(key); !folder.empty() && makeFolderOf(path)) {
    lock = KeyLock::acquire(folder, key, patience);
    // Another may have stored it between our look and our lock.
    if (std::optional<KernelImage> image = find(key))
      return std::move(*image);
  }
  if (found)
    *found = false;
  Expected<KernelImage> image = build();
  if (image)
    store(key, *image);
  return image;
}

//===----------------------------------------------------------------------===//
// Keys of kernels
//===----------------------------------------------------------------------===//

/// The build id that the linker wrote into the loaded file around `address`.
static std::string buildId(uintptr_t address) {
  struct Search {
    uintptr_t address;
    std::string id;
  } search{address, ""};
  auto visit = [](dl_phdr_info *info, size_t, void *data) -> int {
    Search &search = *static_cast<Search *>(data);
    ArrayRef<ElfW(Phdr)> headers(info->dlpi_phdr, info->dlpi_phnum);
    if (none_of(headers, [&](const ElfW(Phdr) & header) {
          uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          return header.p_type == PT_LOAD && search.address >= begin &&
                 search.address < begin + header.p_memsz;
        }))
      return 0;
    for (const ElfW(Phdr) &header : headers) {
      if (header.p_type != PT_NOTE)
        continue;
      const char *at =
          reinterpret_cast<const char *>(info->dlpi_addr + header.p_vaddr);
      const char *end = at + header.p_memsz;
      while (at + sizeof(ElfW(Nhdr)) <= end) {
        auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
        const char *name = at + sizeof *note;
        const char *description = name + alignTo(note->n_namesz, 4);
        if (note->n_type == NT_GNU_BUILD_ID &&
            StringRef(name, note->n_namesz) == StringRef("GNU\0", 4))
          search.id = toHex(StringRef(description, note->n_descsz));
        at = description + alignTo(note->n_descsz, 4);
      }
    }
    return 1;
  };
  dl_iterate_phdr(visit, &search);
  return search.id;
}

const std::string &compilerIdentity() {
  static const std::string identity = [] {
    auto address = reinterpret_cast<uintptr_t>(&compilerIdentity);
    std::string id = buildId(address);
    Dl_info file;
    sys::fs::file_status status;
    if (id.empty() && dladdr(reinterpret_cast<void *>(address), &file) &&
        !sys::fs::status(file.dli_fname, status))
      id = utostr(status.getSize()) + "-" +
           itostr(status.getLastModificationTime().time_since_epoch().count());
    return "LLVM " LLVM_VERSION_STRING " " + id;
  }();
  return identity;
}

Expected<std::unique_ptr<Kernel>>
loadCached(Device &device, StringRef ir, StringRef target,
           function_ref<Expected<CompiledKernel>()> compile, bool *found) {
  const DeviceProperties &info = device.properties();
  // A cubin of sm_80 is made for the GPU at hand, so that counts, too.
  std::string capability =
      utostr(info.computeMajor) + utostr(info.computeMinor);
  std::optional<std::string> ptxas = chosenPtxas();
  std::string assembler = ptxas ? ptxasVersion(*ptxas) : "driver";
  std::string key =
      KernelCache::key({ir, target, capability, utostr(info.driverVersion),
                        assembler, compilerIdentity()});
  Expected<KernelImage> image = KernelCache::process().findOrBuild(
      key,
      [&]() -> Expected<KernelImage> {
        Expected<CompiledKernel> kernel = compile();
        if (!kernel)
          return kernel.takeError();
        return assembleKernel(device, std::move(*kernel));
      },
      found);
  if (!image)
    return image.takeError();
  return Kernel::load(device, *image);
}

} // namespace tilewright
