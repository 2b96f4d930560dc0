// What the addon tells of taps and interfaces so that another process can go on with them, and how that one hears it.
#include "addon/interface_states.h"

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/interfaces.h"
#include "forward/interface_member.h"
#include "packet/vnet_hdr.h"

namespace ptnet::addon {
namespace {

constexpr int64_t kSafeMost = int64_t{1} << 53;

bool GetUint32(Napi::Value object, const char* key, uint32_t most, uint32_t* out) {
  int64_t n;
  if (!GetInteger(GetOption(object, key), key, 0, most, &n)) return false;
  *out = static_cast<uint32_t>(n);
  return true;
}

bool GetCount(Napi::Value object, const char* key, uint64_t* out) {
  int64_t n;
  if (!GetInteger(GetOption(object, key), key, 0, kSafeMost, &n)) return false;
  *out = static_cast<uint64_t>(n);
  return true;
}

bool GetFlag(Napi::Value object, const char* key) { return GetOption(object, key).ToBoolean(); }

bool GetArray(Napi::Value object, const char* key, Napi::Array* out) {
  Napi::Value value = GetOption(object, key);
  if (!value.IsArray()) {
    Napi::TypeError::New(object.Env(), std::string(key) + ": an array is expected").ThrowAsJavaScriptException();
    return false;
  }
  *out = value.As<Napi::Array>();
  return true;
}

bool GetCounters(Napi::Value state, std::vector<uint32_t>* out) {
  Napi::Array list;
  if (!GetArray(state, "counters", &list)) return false;
  for (uint32_t i = 0; i < list.Length(); i++) {
    int64_t block;
    if (!GetInteger(list.Get(i), "counters", 0, UINT32_MAX, &block)) return false;
    out->push_back(static_cast<uint32_t>(block));
  }
  return true;
}

bool GetLink(Napi::Value state, os::LinkState* link) {
  Napi::Value value = GetOption(state, "link");
  if (!GetUint32(value, "index", INT32_MAX, &link->index) ||
      !GetString(GetOption(value, "name"), "name", &link->name) || !GetUint32(value, "mtu", UINT32_MAX, &link->mtu) ||
      !GetUint32(value, "rxQueues", UINT32_MAX, &link->rx_queues) ||
      !GetUint32(value, "master", UINT32_MAX, &link->master) || !GetUint32(value, "peer", UINT32_MAX, &link->peer))
    return false;
  link->up = GetFlag(value, "up");
  link->carrier = GetFlag(value, "carrier");
  return true;
}

Napi::Object LinkOf(Napi::Env env, const os::LinkState& link) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("index", link.index);
  o.Set("name", link.name);
  o.Set("mtu", link.mtu);
  o.Set("up", link.up);
  o.Set("carrier", link.carrier);
  o.Set("rxQueues", link.rx_queues);
  o.Set("master", link.master);
  o.Set("peer", link.peer);
  return o;
}

bool GetLosses(Napi::Value object, const char* key, FrameLosses* out) {
  Napi::Value value = GetOption(object, key);
  return GetCount(value, "ringFull", &out->ring_full) && GetCount(value, "tooLarge", &out->too_large) &&
         GetCount(value, "refused", &out->refused);
}

Napi::Object LossesOf(Napi::Env env, const FrameLosses& losses) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("ringFull", static_cast<double>(losses.ring_full));
  o.Set("tooLarge", static_cast<double>(losses.too_large));
  o.Set("refused", static_cast<double>(losses.refused));
  return o;
}

bool GetSocket(Napi::Value value, FrameSocketState* out) {
  Napi::Value large = GetOption(value, "large");
  if (!GetFd(GetOption(value, "fd"), &out->fd) || !GetFd(GetOption(value, "largeFd"), &out->large_fd) ||
      !GetUint32(value, "slots", UINT32_MAX, &out->slots) ||
      !GetUint32(value, "released", UINT32_MAX, &out->released) || !GetUint32(value, "sent", UINT32_MAX, &out->sent) ||
      !GetUint32(value, "put", UINT32_MAX, &out->put) || !GetLosses(value, "losses", &out->losses))
    return false;
  if (!large.IsTypedArray() || large.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(value.Env(), "large: a Uint8Array is expected").ThrowAsJavaScriptException();
    return false;
  }
  const auto bytes = large.As<Napi::Uint8Array>();
  out->large.assign(bytes.Data(), bytes.Data() + bytes.ElementLength());
  return true;
}

Napi::Object SocketOf(Napi::Env env, const FrameSocketState& socket) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("fd", socket.fd);
  o.Set("largeFd", socket.large_fd);
  o.Set("slots", socket.slots);
  o.Set("released", socket.released);
  o.Set("sent", socket.sent);
  o.Set("put", socket.put);
  auto large = Napi::Uint8Array::New(env, socket.large.size());
  std::copy(socket.large.begin(), socket.large.end(), large.Data());
  o.Set("large", large);
  o.Set("losses", LossesOf(env, socket.losses));
  return o;
}

Napi::Value StateOf(Napi::Env env, const os::TapState& state) {
  Napi::Array queues = Napi::Array::New(env);
  for (const int queue : state.queues) queues.Set(queues.Length(), queue);
  Napi::Object o = Napi::Object::New(env);
  o.Set("kind", "tap");
  o.Set("queues", queues);
  o.Set("news", state.news);
  o.Set("link", LinkOf(env, state.link));
  o.Set("made", state.made);
  o.Set("backpressure", state.backpressure);
  o.Set("udpSegments", state.udp_segments);
  o.Set("carrier", state.carrier);
  o.Set("vnetHdr", state.vnet_hdr);
  o.Set("offloads", static_cast<uint32_t>(state.offloads));
  return o;
}

Napi::Value StateOf(Napi::Env env, const NetifState& state) {
  Napi::Array sockets = Napi::Array::New(env);
  for (const FrameSocketState& socket : state.sockets) sockets.Set(sockets.Length(), SocketOf(env, socket));
  Napi::Object o = Napi::Object::New(env);
  o.Set("kind", "packet");
  o.Set("sockets", sockets);
  if (state.promiscuous >= 0) o.Set("promiscuous", state.promiscuous);
  o.Set("links", state.links);
  o.Set("news", state.news);
  o.Set("link", LinkOf(env, state.link));
  o.Set("lro", state.lro);
  o.Set("served", state.served);
  o.Set("mtuBefore", state.mtu_before);
  o.Set("lostBefore", LossesOf(env, state.lost_before));
  return o;
}

Napi::Value StateOf(Napi::Env env, std::monostate) { return env.Undefined(); }

/// interfaceState(interface): for another process, while nobody serves it; undefined: it is not handed over.
/// Descriptors stay its own.
Napi::Value InterfaceStateOf(const Napi::CallbackInfo& info) {
  auto opened = UnwrapHandle<InterfaceHandle>(info[0]);
  if (!opened) return info.Env().Undefined();
  return std::visit([&](const auto& state) { return StateOf(info.Env(), state); }, opened->device->state());
}

/// Of one that another process has had: it is this one's from now on.
Napi::Value InterfaceGoOn(const Napi::CallbackInfo& info) {
  if (auto opened = UnwrapHandle<InterfaceHandle>(info[0])) opened->device->GoOn();
  return info.Env().Undefined();
}

Napi::Value MemberSuspend(const Napi::CallbackInfo& info) {
  if (auto member = UnwrapHandle<InterfaceMember>(info[0])) member->Suspend();
  return info.Env().Undefined();
}

Napi::Value MemberResume(const Napi::CallbackInfo& info) {
  if (auto member = UnwrapHandle<InterfaceMember>(info[0])) member->Resume();
  return info.Env().Undefined();
}

bool IsKind(Napi::Value value, const char* wanted) {
  std::string kind;
  if (!GetString(GetOption(value, "kind"), "kind", &kind)) return false;
  if (kind == wanted) return true;
  Napi::RangeError::New(value.Env(), "kind: " + kind + ": " + wanted + " is expected").ThrowAsJavaScriptException();
  return false;
}

bool IsLeft(Napi::Value value) {
  Napi::Value kind = GetOption(value, "kind");
  return kind.IsString() && kind.As<Napi::String>().Utf8Value() == "left";
}

bool GetLeftNetif(Napi::Value value, std::shared_ptr<const NetifLeft>* out) {
  auto left = std::make_shared<NetifLeft>();
  if (!GetUint32(value, "index", INT32_MAX, &left->index) ||
      !GetUint32(value, "mtuBefore", UINT32_MAX, &left->mtu_before) || !GetLosses(value, "losses", &left->losses) ||
      !GetCounters(value, &left->counters))
    return false;
  *out = std::move(left);
  return true;
}

}  // namespace

bool GetTakenTap(Napi::Value value, std::shared_ptr<const os::TapState>* out) {
  if (value.IsUndefined()) return true;
  auto state = std::make_shared<os::TapState>();
  uint32_t offloads;
  if (!IsKind(value, "tap") || !GetFds(GetOption(value, "queues"), &state->queues) ||
      !GetFd(GetOption(value, "news"), &state->news) || !GetLink(value, &state->link) ||
      !GetUint32(value, "vnetHdr", VirtioNetHdr::kVnetHdrLong, &state->vnet_hdr) ||
      !GetUint32(value, "offloads", static_cast<uint32_t>(os::TapOffloads::kSegments), &offloads) ||
      !GetCounters(value, &state->counters))
    return false;
  state->offloads = static_cast<os::TapOffloads>(offloads);
  state->made = GetFlag(value, "made");
  state->backpressure = GetFlag(value, "backpressure");
  state->udp_segments = GetFlag(value, "udpSegments");
  state->carrier = GetFlag(value, "carrier");
  *out = std::move(state);
  return true;
}

bool GetTakenNetif(Napi::Value value, NetifOptions* options) {
  if (value.IsUndefined()) return true;
  if (IsLeft(value)) return GetLeftNetif(value, &options->left);
  auto state = std::make_shared<NetifState>();
  Napi::Array sockets;
  Napi::Value promiscuous = GetOption(value, "promiscuous");
  if (!IsKind(value, "packet") || !GetArray(value, "sockets", &sockets) ||
      !GetFd(GetOption(value, "links"), &state->links) || !GetFd(GetOption(value, "news"), &state->news) ||
      !GetLink(value, &state->link) || !GetUint32(value, "mtuBefore", UINT32_MAX, &state->mtu_before) ||
      !GetLosses(value, "lostBefore", &state->lost_before) || !GetCounters(value, &state->counters) ||
      (!promiscuous.IsUndefined() && !GetFd(promiscuous, &state->promiscuous)))
    return false;
  for (uint32_t i = 0; i < sockets.Length(); i++)
    if (!GetSocket(sockets.Get(i), &state->sockets.emplace_back())) return false;
  state->lro = GetFlag(value, "lro");
  state->served = GetFlag(value, "served");
  options->taken = std::move(state);
  return true;
}

void InitInterfaceStates(Napi::Env env, Napi::Object exports) {
  exports.Set("interfaceState", Napi::Function::New(env, InterfaceStateOf));
  exports.Set("interfaceGoOn", Napi::Function::New(env, InterfaceGoOn));
  exports.Set("memberSuspend", Napi::Function::New(env, MemberSuspend));
  exports.Set("memberResume", Napi::Function::New(env, MemberResume));
}

}  // namespace ptnet::addon
