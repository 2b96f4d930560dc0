// How a doorbell target travels through JavaScript: as a handle without properties.
#pragma once

#include <memory>

#include "addon/handle.h"
#include "datapath/doorbell.h"

namespace ptnet::addon {

PTNET_HANDLE(DoorbellTarget, 7, "a doorbell target");

inline Napi::Value WrapDoorbellTarget(Napi::Env env, std::shared_ptr<DoorbellTarget> target) {
  return WrapHandle(env, std::move(target));
}

/// Null, with a TypeError thrown, when `value` is no such handle.
inline std::shared_ptr<DoorbellTarget> UnwrapDoorbellTarget(Napi::Value value) {
  return UnwrapHandle<DoorbellTarget>(value);
}

}  // namespace ptnet::addon
