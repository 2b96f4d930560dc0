// The addon's view of a switch's forwarding table: which stations are in it, and changes by the control plane.
#include <optional>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/handles.h"
#include "addon/port_args.h"

namespace ptnet::addon {
namespace {

Napi::Value MacBytes(Napi::Env env, uint64_t mac) {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, 6);
  for (int i = 0; i < 6; i++) bytes[i] = static_cast<uint8_t>(mac >> (8 * i));
  return bytes;
}

/// The number of the member that has this name.
std::optional<uint32_t> NumberOf(const ValeSwitch& sw, const std::string& name) {
  for (uint32_t i = 0; i < ValeSwitch::kPortsMax; i++)
    if (const SwitchMember* member = sw.member(i); member != nullptr && member->name_on_switch() == name) return i;
  return std::nullopt;
}

/// switchStations(switch): [{mac, port, idleS, static}], those that are known now.
Napi::Value SwitchStations(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto sw = UnwrapHandle<ValeSwitch>(info[0]);
  if (!sw) return env.Undefined();
  Napi::Array list = Napi::Array::New(env);
  const uint32_t now_s = sw->now_s(), age_s = sw->table().age_s();
  sw->table().ForEach([&](const ForwardingTable::Station& station) {
    const SwitchMember* member = station.port < ValeSwitch::kPortsMax ? sw->member(station.port) : nullptr;
    const int32_t idle_s = std::max(static_cast<int32_t>(now_s - station.seen_s), 0);
    const bool ages = age_s != 0 && !station.is_static;
    if (member == nullptr || (ages && idle_s >= static_cast<int32_t>(age_s))) return;
    Napi::Object o = Napi::Object::New(env);
    o.Set("mac", MacBytes(env, station.mac));
    o.Set("port", member->name_on_switch());
    if (ages) o.Set("idleS", idle_s);
    o.Set("static", station.is_static);
    list.Set(list.Length(), o);
  });
  return list;
}

/// switchPutStation(switch, mac, port): it stays there until it is removed, or its port leaves.
Napi::Value SwitchPutStation(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint8_t mac[6] = {};
  std::string port;
  auto sw = UnwrapHandle<ValeSwitch>(info[0]);
  if (!sw || !GetMac(info[1], mac) || !GetString(info[2], "port", &port)) return env.Undefined();
  const std::optional<uint32_t> number = NumberOf(*sw, port);
  if (!number) {
    ThrowUnlessOk(env, Status::Fail(ENOENT, sw->name() + ": '" + port + "' does not stand on it"));
  } else if (!sw->table().Put(ForwardingTable::MacAt(mac), *number)) {
    ThrowUnlessOk(env, Status::Fail(ENOSPC, sw->name() + ": another static address has its place in the table"));
  }
  return env.Undefined();
}

/// switchLearnStation(switch, mac, port, idleS): as if the port had brought a packet from there then.
Napi::Value SwitchLearnStation(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint8_t mac[6] = {};
  std::string port;
  int64_t idle_s;
  auto sw = UnwrapHandle<ValeSwitch>(info[0]);
  if (!sw || !GetMac(info[1], mac) || !GetString(info[2], "port", &port) ||
      !GetInteger(info[3], "idleS", 0, UINT32_MAX, &idle_s))
    return env.Undefined();
  if (const std::optional<uint32_t> number = NumberOf(*sw, port); !number)
    ThrowUnlessOk(env, Status::Fail(ENOENT, sw->name() + ": '" + port + "' does not stand on it"));
  else
    sw->table().Learn(ForwardingTable::MacAt(mac), *number, sw->now_s() - static_cast<uint32_t>(idle_s));
  return env.Undefined();
}

/// switchRemoveStations(switch, {mac?, port?, static}): of those that match all that is given; `static` true takes
/// static ones too. How many.
Napi::Value SwitchRemoveStations(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto sw = UnwrapHandle<ValeSwitch>(info[0]);
  if (!sw) return env.Undefined();
  const Napi::Value mac_given = GetOption(info[1], "mac"), port_given = GetOption(info[1], "port");
  uint8_t mac[6] = {};
  std::string port;
  if (!GetMac(mac_given, mac) || (!port_given.IsUndefined() && !GetString(port_given, "port", &port)))
    return env.Undefined();
  const bool with_static = GetOption(info[1], "static").ToBoolean();
  const std::optional<uint32_t> number = NumberOf(*sw, port);
  const uint32_t removed = sw->table().RemoveIf([&](const ForwardingTable::Station& station) {
    if (station.is_static && !with_static) return false;
    if (!mac_given.IsUndefined() && station.mac != ForwardingTable::MacAt(mac)) return false;
    return port_given.IsUndefined() || (number && station.port == *number);
  });
  return Napi::Number::New(env, removed);
}

}  // namespace

void InitStations(Napi::Env env, Napi::Object exports) {
  exports.Set("switchStations", Napi::Function::New(env, SwitchStations));
  exports.Set("switchPutStation", Napi::Function::New(env, SwitchPutStation));
  exports.Set("switchLearnStation", Napi::Function::New(env, SwitchLearnStation));
  exports.Set("switchRemoveStations", Napi::Function::New(env, SwitchRemoveStations));
}

}  // namespace ptnet::addon
