// ArrayBuffers over memory that is not JavaScript's: the one place that makes them, because a refused one is easily
// freed twice.
#pragma once

#include <napi.h>

#include <cstddef>
#include <memory>

namespace ptnet::addon {

/**
 * An ArrayBuffer over `data`, which `keep` (may be empty) keeps mapped. Throws a RangeError and returns undefined when
 * that is more than one ArrayBuffer holds: 4 GiB, by the oldest Node that we run on.
 */
Napi::Value ExternalBuffer(Napi::Env env, std::shared_ptr<void> keep, void* data, size_t length);

}  // namespace ptnet::addon
