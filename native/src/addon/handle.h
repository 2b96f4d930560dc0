// Handles: what JavaScript holds of a native object. A tagged external around a shared_ptr; the object lives as long as
// any handle, view or other native object needs it.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "memory/status.h"

namespace ptnet::addon {

/// Each kind of handle specialises this with a tag of its own and a name for error messages.
template <class T>
struct HandleTraits;

#define PTNET_HANDLE(Type, low, label)                             \
  template <>                                                      \
  struct HandleTraits<Type> {                                      \
    static constexpr napi_type_tag kTag{0x70746e65746d6170u, low}; \
    static constexpr const char* kName = label;                    \
  }

template <class T>
Napi::Value WrapHandle(Napi::Env env, std::shared_ptr<T> object) {
  auto* holder = new std::shared_ptr<T>(std::move(object));
  auto external =
      Napi::External<std::shared_ptr<T>>::New(env, holder, [](Napi::BasicEnv, std::shared_ptr<T>* h) { delete h; });
  external.TypeTag(&HandleTraits<T>::kTag);
  return external;
}

template <class T>
bool IsHandle(Napi::Value value) {
  return value.IsExternal() && value.As<Napi::External<void>>().CheckTypeTag(&HandleTraits<T>::kTag);
}

/// Null, with a TypeError thrown, when `value` is not such a handle, or one that was dropped.
template <class T>
std::shared_ptr<T> UnwrapHandle(Napi::Value value) {
  if (IsHandle<T>(value))
    if (std::shared_ptr<T> object = *value.As<Napi::External<std::shared_ptr<T>>>().Data()) return object;
  Napi::TypeError::New(value.Env(), std::string("not a handle of ") + HandleTraits<T>::kName)
      .ThrowAsJavaScriptException();
  return nullptr;
}

/// Gives up what the handle stands for now, not when the garbage collector comes. False when it is no such handle.
template <class T>
bool DropHandle(Napi::Value value) {
  if (!IsHandle<T>(value)) return false;
  value.As<Napi::External<std::shared_ptr<T>>>().Data()->reset();
  return true;
}

/// Throws a failed status as an Error with `errno` (negative) and `code`; true when there was nothing to throw.
bool ThrowUnlessOk(Napi::Env env, const Status& status);

}  // namespace ptnet::addon
