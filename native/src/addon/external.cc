// ArrayBuffers over memory that is not JavaScript's: the one place that makes them, because a refused one is easily
// freed twice.
#include "addon/external.h"

#include <cstdint>
#include <string>
#include <utility>

namespace ptnet::addon {

namespace {

constexpr uint64_t kBytesMax = uint64_t{1} << 32;

void Finalize(napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<void>*>(hint); }

}  // namespace

Napi::Value ExternalBuffer(Napi::Env env, std::shared_ptr<void> keep, void* data, size_t length) {
  if (length > kBytesMax) {
    Napi::RangeError::New(env,
                          std::to_string(length) + " bytes: one ArrayBuffer holds at most " + std::to_string(kBytesMax))
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto* holder = new std::shared_ptr<void>(std::move(keep));
  napi_value buffer;
  // Not through Napi::ArrayBuffer::New: when Node refuses, it still runs the finalizer, and the wrapper frees too.
  if (napi_create_external_arraybuffer(env, data, length, Finalize, holder, &buffer) == napi_ok)
    return Napi::Value(env, buffer);
  if (!env.IsExceptionPending())
    Napi::Error::New(env, "no ArrayBuffer over memory outside of JavaScript can be made here")
        .ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace ptnet::addon
