// A mapping of shared memory that JavaScript sees as an ArrayBuffer.
#include "addon/mapping.h"

#include "addon/args.h"
#include "addon/external.h"
#include "os/memory.h"

namespace ptnet::addon {

namespace {

constexpr int64_t kMaxOffset = (int64_t{1} << 53) - 1;

}  // namespace

struct Mapping::Memory {
  napi_env env;
  void* address;
  size_t length;

  static void AtEnd(void* argument) {
    auto* memory = static_cast<Memory*>(argument);
    os::Unmap(memory->address, memory->length);
    delete memory;
  }
};

void Mapping::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Mapping", DefineClass(env, "Mapping",
                                     {
                                         InstanceAccessor<&Mapping::Buffer>("buffer"),
                                         InstanceAccessor<&Mapping::Address>("address"),
                                         InstanceAccessor<&Mapping::Length>("length"),
                                         InstanceMethod<&Mapping::Unmap>("unmap"),
                                     }));
}

Mapping::Mapping(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  int fd;
  int64_t offset;
  int64_t length;
  if (!GetFd(info[0], &fd) || !GetInteger(info[1], "offset", 0, kMaxOffset, &offset) ||
      !GetInteger(info[2], "length", 1, kMaxOffset, &length))
    return;
  void* address;
  if (const os::Error error = os::Map(fd, static_cast<uint64_t>(offset), static_cast<size_t>(length),
                                      info[3].ToBoolean().Value(), &address)) {
    ThrowErrno(env, error,
               "descriptor " + std::to_string(fd) + " at " + std::to_string(offset) + ", " + std::to_string(length) +
                   " bytes");
    return;
  }
  const Napi::Value buffer = ExternalBuffer(env, nullptr, address, static_cast<size_t>(length));
  if (env.IsExceptionPending()) {
    os::Unmap(address, static_cast<size_t>(length));
    return;
  }
  buffer_ = Napi::Persistent(buffer.As<Napi::ArrayBuffer>());
  memory_ = new Memory{env, address, static_cast<size_t>(length)};
  napi_add_env_cleanup_hook(env, Memory::AtEnd, memory_);
}

Napi::Value Mapping::Buffer(const Napi::CallbackInfo& info) { return buffer_.Value(); }

Napi::Value Mapping::Address(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), memory_ ? reinterpret_cast<uint64_t>(memory_->address) : uint64_t{0});
}

Napi::Value Mapping::Length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), memory_ ? static_cast<double>(memory_->length) : 0);
}

void Mapping::Unmap(const Napi::CallbackInfo& info) {
  if (memory_ == nullptr) return;
  Napi::ArrayBuffer buffer = buffer_.Value();
  if (buffer.IsDetached()) {
    Napi::Error::New(info.Env(), "mapping of " + std::to_string(memory_->length) +
                                     " bytes: another buffer has taken its memory over: it stays mapped")
        .ThrowAsJavaScriptException();
    return;
  }
  // Detach first: from here on every view has length 0, so no JavaScript can touch the address any more.
  buffer.Detach();
  if (info.Env().IsExceptionPending()) return;
  napi_remove_env_cleanup_hook(memory_->env, Memory::AtEnd, memory_);
  os::Unmap(memory_->address, memory_->length);
  delete memory_;
  memory_ = nullptr;
}

}  // namespace ptnet::addon
