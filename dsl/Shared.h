//===- Shared.h - Pointers to what only the library knows -------*- C++ -*-===//
//
// std::shared_ptr would do, but <memory> alone is a sixth of the time that a
// kernel file takes to compile.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <utility>

// Shown by the library, which is built with hidden symbols.
#pragma GCC visibility push(default)
namespace tilewright::dsl::detail {

/// A shared pointer to an object that does not change. T is complete in the
/// library only, where the members are instantiated: see SharedMembers.h.
template <class T> class Shared {
public:
  Shared() = default;
  /// Takes an object that was made with `new`.
  explicit Shared(const T *object);
  Shared(const Shared &other);
  Shared(Shared &&other) noexcept
      : object(std::exchange(other.object, nullptr)) {}
  Shared &operator=(Shared other) noexcept {
    std::swap(object, other.object);
    return *this;
  }
  ~Shared();

  const T &operator*() const { return *object; }
  const T *operator->() const { return object; }

private:
  const T *object = nullptr;
};

template <class T> Shared(T *) -> Shared<T>;

} // namespace tilewright::dsl::detail
#pragma GCC visibility pop
