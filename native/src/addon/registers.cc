// The addon's registers: what applications see of a port, and giving native objects up without the garbage collector.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/doorbell_target.h"
#include "addon/handles.h"
#include "addon/interfaces.h"
#include "forward/offsets.h"

namespace ptnet::addon {
namespace {

constexpr int64_t kExtraBufsMost = 1'000'000;
constexpr int64_t kBufMost = 65536;  // bytes

bool GetRings(Napi::Value value, const char* name, std::vector<bool>* rings) {
  if (!value.IsArray()) {
    Napi::TypeError::New(value.Env(), std::string(name) + ": an array of booleans is expected")
        .ThrowAsJavaScriptException();
    return false;
  }
  Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) rings->push_back(list.Get(i).ToBoolean());
  return true;
}

/// registerCreate(port, rings: boolean[], extraBufs, host?: port, hostRings?: boolean[])
Napi::Value RegisterCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  int64_t extra;
  if (!handle || !GetInteger(info[2], "extraBufs", 0, kExtraBufsMost, &extra)) return env.Undefined();
  RegisterShape shape;
  shape.extra_bufs = static_cast<uint32_t>(extra);
  if (!GetRings(info[1], "rings", &shape.rings)) return env.Undefined();
  if (info.Length() > 3 && !info[3].IsUndefined()) {
    auto host = UnwrapHandle<PortHandle>(info[3]);
    if (!host || !GetRings(info[4], "hostRings", &shape.host_rings)) return env.Undefined();
    shape.host = host->port;
  }
  std::shared_ptr<Register> made;
  if (!ThrowUnlessOk(env, Register::Create(handle->port, shape, &made))) return env.Undefined();
  return WrapHandle(env, std::move(made));
}

Napi::Value RegisterInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto made = UnwrapHandle<Register>(info[0]);
  if (!made) return env.Undefined();
  Napi::Object o = Napi::Object::New(env);
  o.Set("nifpOfs", static_cast<double>(made->nifp_ofs()));
  o.Set("extraBufs", made->extra_bufs());
  return o;
}

bool GetOffsets(Napi::Value value, OffsetsAsked* asked) {
  int64_t max, bits, initial, gap;
  if (!GetInteger(GetOption(value, "max"), "max", 0, kBufMost, &max) ||
      !GetInteger(GetOption(value, "bits"), "bits", 1, 64, &bits) ||
      !GetInteger(GetOption(value, "initial"), "initial", 0, max, &initial) ||
      !GetInteger(GetOption(value, "gap"), "gap", 0, kBufMost, &gap))
    return false;
  *asked = {static_cast<uint32_t>(max), static_cast<uint32_t>(bits), static_cast<uint32_t>(initial),
            static_cast<uint32_t>(gap)};
  return true;
}

/// portsSetOffsets(engine, {port, rings: boolean[], shared: boolean[]}[], {max, bits, initial, gap}): {max, bits}
Napi::Value PortsSetOffsets(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  OffsetsAsked asked;
  if (!engine || !GetOffsets(info[2], &asked)) return env.Undefined();
  std::vector<OffsetRings> parts;
  Napi::Array list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; info[1].IsArray() && i < list.Length(); i++) {
    OffsetRings& part = parts.emplace_back();
    auto handle = UnwrapHandle<PortHandle>(GetOption(list.Get(i), "port"));
    if (!handle || !GetRings(GetOption(list.Get(i), "rings"), "rings", &part.rings) ||
        !GetRings(GetOption(list.Get(i), "shared"), "shared", &part.shared))
      return env.Undefined();
    part.port = handle->port;
  }
  OffsetsGiven given;
  if (!ThrowUnlessOk(env, SetOffsets(*engine, parts, asked, &given))) return env.Undefined();
  Napi::Object o = Napi::Object::New(env);
  o.Set("max", given.max);
  o.Set("bits", given.bits);
  return o;
}

/// portRestoreRings(port): EBUSY while a client is attached.
Napi::Value PortRestoreRings(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle) return env.Undefined();
  if (handle->port->attached)
    ThrowUnlessOk(env, Status::Fail(EBUSY, handle->port->name() + ": a client is attached: detach it first"));
  else
    handle->port->RestoreRings();
  return env.Undefined();
}

/// portRingOffsets(port): where each ring lies in its region, tx rings first.
Napi::Value PortRingOffsets(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle) return env.Undefined();
  Port& port = *handle->port;
  Napi::Array list = Napi::Array::New(env, port.rings());
  for (uint32_t i = 0; i < port.rings(); i++) {
    const auto* ring = reinterpret_cast<const uint8_t*>(port.kring(i).ring);
    list.Set(i, static_cast<double>(ring - port.region().base()));
  }
  return list;
}

template <class... Kinds>
bool DropOneOf(Napi::Value value) {
  return (DropHandle<Kinds>(value) || ...);
}

/// drop(handle): nobody may use it any more.
Napi::Value Drop(const Napi::CallbackInfo& info) {
  if (!DropOneOf<Register, PortHandle, Region, Attachment, DoorbellTarget, InterfaceHandle, InterfaceMember>(info[0]))
    Napi::TypeError::New(info.Env(), "drop: not a handle of what can be dropped").ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

}  // namespace

void InitRegisters(Napi::Env env, Napi::Object exports) {
  exports.Set("registerCreate", Napi::Function::New(env, RegisterCreate));
  exports.Set("registerInfo", Napi::Function::New(env, RegisterInfo));
  exports.Set("portsSetOffsets", Napi::Function::New(env, PortsSetOffsets));
  exports.Set("portRestoreRings", Napi::Function::New(env, PortRestoreRings));
  exports.Set("portRingOffsets", Napi::Function::New(env, PortRingOffsets));
  exports.Set("drop", Napi::Function::New(env, Drop));
}

}  // namespace ptnet::addon
