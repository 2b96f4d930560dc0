// A mapping of shared memory that JavaScript sees as an ArrayBuffer.
#pragma once

#include <napi.h>

namespace ptnet::addon {

/**
 * `new Mapping(fd, offset, length, writable)`. Unmapping is explicit, or comes with the end of the environment; the
 * garbage collector never unmaps, because a native thread may use the address while no JavaScript object is left.
 */
class Mapping : public Napi::ObjectWrap<Mapping> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit Mapping(const Napi::CallbackInfo& info);

 private:
  struct Memory;

  Napi::Value Buffer(const Napi::CallbackInfo& info);
  Napi::Value Address(const Napi::CallbackInfo& info);
  Napi::Value Length(const Napi::CallbackInfo& info);
  void Unmap(const Napi::CallbackInfo& info);

  Memory* memory_ = nullptr;  // owned by itself: lives until Unmap or the end of the environment
  Napi::Reference<Napi::ArrayBuffer> buffer_;
};

}  // namespace ptnet::addon
