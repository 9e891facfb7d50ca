//===- SharedMembers.h - The members of Shared ------------------*- C++ -*-===//
//
// For the file of the library that defines T, an
// llvm::ThreadSafeRefCountedBase<T>: after this header it says
// `template class Shared<T>;`.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Shared.h"
#include "llvm/ADT/IntrusiveRefCntPtr.h"

namespace tilewright::dsl::detail {

template <class T> Shared<T>::Shared(const T *object) : object(object) {
  if (object)
    object->Retain();
}
template <class T>
Shared<T>::Shared(const Shared &other) : Shared(other.object) {}
template <class T> Shared<T>::~Shared() {
  if (object)
    object->Release();
}

} // namespace tilewright::dsl::detail
