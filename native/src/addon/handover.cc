// What the addon tells of regions, ports and attachments so that another process can go on with them, and how that one
// does.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/handles.h"
#include "addon/interfaces.h"
#include "addon/places.h"
#include "addon/region_args.h"
#include "datapath/clock.h"
#include "forward/interface_member.h"

namespace ptnet::addon {

namespace {

constexpr int64_t kSafeMost = int64_t{1} << 53;

bool GetUint32(Napi::Value object, const char* key, uint32_t* out) {
  int64_t n;
  if (!GetInteger(GetOption(object, key), key, 0, UINT32_MAX, &n)) return false;
  *out = static_cast<uint32_t>(n);
  return true;
}

bool IsVnetHdrLen(int64_t len) { return len == 0 || len == 10 || len == 12; }

bool GetRing(Napi::Value value, PortPlaces::Ring* out) {
  int64_t offset, vnet, room;
  Napi::Value mask = GetOption(value, "offsetMask");
  if (!GetInteger(GetOption(value, "offset"), "offset", 0, kSafeMost, &offset) ||
      !GetUint32(value, "counters", &out->counters) || !GetUint32(value, "hwcur", &out->hwcur) ||
      !GetUint32(value, "hwtail", &out->hwtail) || !GetUint32(value, "offsetMax", &out->offset_max) ||
      !GetInteger(GetOption(value, "room"), "room", 0, UINT16_MAX, &room) ||
      !GetInteger(GetOption(value, "vnetHdrLen"), "vnetHdrLen", 0, 12, &vnet))
    return false;
  if (!IsVnetHdrLen(vnet)) {
    Napi::RangeError::New(value.Env(), "vnetHdrLen: 0, 10 or 12 is expected").ThrowAsJavaScriptException();
    return false;
  }
  bool lossless = false;
  if (mask.IsBigInt()) out->offset_mask = mask.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) {
    Napi::TypeError::New(value.Env(), "offsetMask: a BigInt of 64 bits is expected").ThrowAsJavaScriptException();
    return false;
  }
  out->room = static_cast<uint16_t>(room);
  out->offset = static_cast<uint64_t>(offset);
  out->vnet_hdr_len = static_cast<uint8_t>(vnet);
  return true;
}

}  // namespace

bool GetPlaces(Napi::Value value, std::shared_ptr<const PortPlaces>* out) {
  if (value.IsUndefined()) return true;
  auto places = std::make_shared<PortPlaces>();
  int64_t nifp;
  Napi::Value rings = GetOption(value, "rings");
  if (!GetUint32(value, "holder", &places->holder) ||
      !GetInteger(GetOption(value, "nifpOfs"), "nifpOfs", 0, kSafeMost, &nifp))
    return false;
  if (!rings.IsArray()) {
    Napi::TypeError::New(value.Env(), "rings: an array is expected").ThrowAsJavaScriptException();
    return false;
  }
  places->nifp_ofs = static_cast<uint64_t>(nifp);
  auto list = rings.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++)
    if (!GetRing(list.Get(i), &places->rings.emplace_back())) return false;
  *out = std::move(places);
  return true;
}

namespace {

Napi::Value Holders(Napi::Env env, const std::vector<Holder>& holders) {
  auto list = Napi::Uint32Array::New(env, holders.size());
  std::copy(holders.begin(), holders.end(), list.Data());
  return list;
}

bool GetHolders(Napi::Value object, const char* key, std::vector<Holder>* out) {
  Napi::Value value = GetOption(object, key);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    Napi::TypeError::New(object.Env(), std::string(key) + ": a Uint32Array is expected").ThrowAsJavaScriptException();
    return false;
  }
  auto list = value.As<Napi::Uint32Array>();
  out->assign(list.Data(), list.Data() + list.ElementLength());
  return true;
}

/// regionState(region): {fd, ifs, rings, bufs, lastHolder, owned, extraHolders}; `owned` is holder, count, holder, ...
Napi::Value RegionStateOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  if (!region) return env.Undefined();
  const RegionState state = region->State();
  Napi::Object o = Napi::Object::New(env);
  o.Set("fd", state.fd);
  o.Set("ifs", Holders(env, state.ifs));
  o.Set("rings", Holders(env, state.rings));
  o.Set("bufs", Holders(env, state.bufs));
  o.Set("lastHolder", state.last_holder);
  std::vector<Holder> owned;
  for (const auto& [holder, count] : state.owned) owned.insert(owned.end(), {holder, count});
  o.Set("owned", Holders(env, owned));
  o.Set("extraHolders", Holders(env, {state.extra_holders.begin(), state.extra_holders.end()}));
  return o;
}

/// regionAdopt(shape, state)
Napi::Value RegionAdopt(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint16_t id;
  RegionShape shape;
  RegionPages pages;
  RegionState state;
  std::vector<Holder> owned, extra;
  if (!GetRegionShape(info[0], &id, &shape, &pages) || !GetFd(GetOption(info[1], "fd"), &state.fd) ||
      !GetHolders(info[1], "ifs", &state.ifs) || !GetHolders(info[1], "rings", &state.rings) ||
      !GetHolders(info[1], "bufs", &state.bufs) || !GetUint32(info[1], "lastHolder", &state.last_holder) ||
      !GetHolders(info[1], "owned", &owned) || !GetHolders(info[1], "extraHolders", &extra))
    return env.Undefined();
  for (size_t i = 0; i + 1 < owned.size(); i += 2) state.owned[owned[i]] = owned[i + 1];
  state.extra_holders.insert(extra.begin(), extra.end());
  std::shared_ptr<Region> region;
  if (!ThrowUnlessOk(env, Region::Adopt(id, shape, pages, state, &region))) return env.Undefined();
  return WrapHandle(env, std::move(region));
}

/// regionReleaseLost(region): what is held there by ports that were not adopted is free.
Napi::Value RegionReleaseLost(const Napi::CallbackInfo& info) {
  if (auto region = UnwrapHandle<Region>(info[0])) region->ReleaseLost();
  return info.Env().Undefined();
}

Napi::Value StatsFd(const Napi::CallbackInfo& info) {
  auto area = UnwrapHandle<StatsArea>(info[0]);
  return area ? Napi::Number::New(info.Env(), area->fd()) : info.Env().Undefined();
}

/// statsAdopt(blocks, fd)
Napi::Value StatsAdopt(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int64_t blocks;
  int fd;
  std::shared_ptr<StatsArea> area;
  if (!GetInteger(info[0], "blocks", 1, 1 << 20, &blocks) || !GetFd(info[1], &fd) ||
      !ThrowUnlessOk(env, StatsArea::Adopt(static_cast<uint32_t>(blocks), fd, &area)))
    return env.Undefined();
  return WrapHandle(env, std::move(area));
}

/// portPlaces(port): {holder, nifpOfs, rings}, while nobody serves it.
Napi::Value PortPlacesOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle) return env.Undefined();
  const PortPlaces places = handle->port->Places();
  Napi::Object o = Napi::Object::New(env);
  o.Set("holder", places.holder);
  o.Set("nifpOfs", static_cast<double>(places.nifp_ofs));
  Napi::Array rings = Napi::Array::New(env, places.rings.size());
  for (uint32_t i = 0; i < places.rings.size(); i++) {
    Napi::Object ring = Napi::Object::New(env);
    ring.Set("offset", static_cast<double>(places.rings[i].offset));
    ring.Set("counters", places.rings[i].counters);
    ring.Set("hwcur", places.rings[i].hwcur);
    ring.Set("hwtail", places.rings[i].hwtail);
    ring.Set("vnetHdrLen", places.rings[i].vnet_hdr_len);
    ring.Set("room", places.rings[i].room);
    ring.Set("offsetMax", places.rings[i].offset_max);
    ring.Set("offsetMask", Napi::BigInt::New(env, places.rings[i].offset_mask));
    rings.Set(i, ring);
  }
  o.Set("rings", rings);
  return o;
}

Napi::Value Missing(Napi::Env env, const LimitPointers& limits) {
  Napi::Array list = Napi::Array::New(env);
  for (const RateLimit* limit : limits)
    list.Set(list.Length(), limit == nullptr ? 0.0 : static_cast<double>(limit->MissingNs(NowNs())));
  return list;
}

Napi::Value GoOn(Napi::Value missing, const LimitPointers& limits) {
  uint32_t i = 0;
  for (RateLimit* limit : limits) {
    int64_t ns;
    if (!missing.IsArray() || !GetInteger(missing.As<Napi::Array>().Get(i++), "missing", 0, kSafeMost, &ns)) break;
    if (limit != nullptr) limit->GoOn(static_cast<uint64_t>(ns), NowNs());
  }
  return missing.Env().Undefined();
}

/// portLimitsMissing(port), memberLimitsMissing(member): nanoseconds until each of its limits' buckets is full; 0: it
/// is, or there is no limit.
Napi::Value PortLimitsMissing(const Napi::CallbackInfo& info) {
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  return handle ? Missing(info.Env(), handle->port->limits()) : info.Env().Undefined();
}

Napi::Value MemberLimitsMissing(const Napi::CallbackInfo& info) {
  auto member = UnwrapHandle<InterfaceMember>(info[0]);
  return member ? Missing(info.Env(), member->limits()) : info.Env().Undefined();
}

/// portLimitsGoOn(port, missing), memberLimitsGoOn(member, missing): before anybody serves it.
Napi::Value PortLimitsGoOn(const Napi::CallbackInfo& info) {
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  return handle ? GoOn(info[1], handle->port->limits()) : info.Env().Undefined();
}

Napi::Value MemberLimitsGoOn(const Napi::CallbackInfo& info) {
  auto member = UnwrapHandle<InterfaceMember>(info[0]);
  return member ? GoOn(info[1], member->limits()) : info.Env().Undefined();
}

/// portAdvance(port, places): of one that was placed, before anybody serves it.
Napi::Value PortAdvance(const Napi::CallbackInfo& info) {
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  std::shared_ptr<const PortPlaces> places;
  if (handle && GetPlaces(info[1], &places) && places) ThrowUnlessOk(info.Env(), handle->port->Advance(*places));
  return info.Env().Undefined();
}

/// Of the rx rings of a null port: packets that their sources have sent.
Napi::Value NullPortSent(const Napi::CallbackInfo& info) {
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle || handle->null == nullptr) return info.Env().Undefined();
  const uint32_t rings = handle->port->shape().rx_rings;
  Napi::Array sent = Napi::Array::New(info.Env(), rings);
  for (uint32_t i = 0; i < rings; i++) sent.Set(i, Napi::BigInt::New(info.Env(), handle->null->source(i).sent()));
  return sent;
}

/// nullPortGoOn(port, ring, sent): the source goes on there; before anybody serves it.
Napi::Value NullPortGoOn(const Napi::CallbackInfo& info) {
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  int64_t ring;
  bool lossless = false;
  if (!handle || handle->null == nullptr ||
      !GetInteger(info[1], "ring", 0, int64_t{handle->port->shape().rx_rings} - 1, &ring) || !info[2].IsBigInt())
    return info.Env().Undefined();
  handle->null->source(static_cast<uint32_t>(ring)).GoOn(info[2].As<Napi::BigInt>().Uint64Value(&lossless));
  return info.Env().Undefined();
}

Napi::Value AttachmentSuspend(const Napi::CallbackInfo& info) {
  if (auto attachment = UnwrapHandle<Attachment>(info[0])) attachment->Suspend();
  return info.Env().Undefined();
}

Napi::Value AttachmentResume(const Napi::CallbackInfo& info) {
  if (auto attachment = UnwrapHandle<Attachment>(info[0])) attachment->Resume();
  return info.Env().Undefined();
}

}  // namespace

void InitHandover(Napi::Env env, Napi::Object exports) {
  exports.Set("regionState", Napi::Function::New(env, RegionStateOf));
  exports.Set("regionAdopt", Napi::Function::New(env, RegionAdopt));
  exports.Set("regionReleaseLost", Napi::Function::New(env, RegionReleaseLost));
  exports.Set("statsFd", Napi::Function::New(env, StatsFd));
  exports.Set("statsAdopt", Napi::Function::New(env, StatsAdopt));
  exports.Set("portPlaces", Napi::Function::New(env, PortPlacesOf));
  exports.Set("portLimitsMissing", Napi::Function::New(env, PortLimitsMissing));
  exports.Set("portLimitsGoOn", Napi::Function::New(env, PortLimitsGoOn));
  exports.Set("memberLimitsMissing", Napi::Function::New(env, MemberLimitsMissing));
  exports.Set("memberLimitsGoOn", Napi::Function::New(env, MemberLimitsGoOn));
  exports.Set("portAdvance", Napi::Function::New(env, PortAdvance));
  exports.Set("nullPortSent", Napi::Function::New(env, NullPortSent));
  exports.Set("nullPortGoOn", Napi::Function::New(env, NullPortGoOn));
  exports.Set("attachmentSuspend", Napi::Function::New(env, AttachmentSuspend));
  exports.Set("attachmentResume", Napi::Function::New(env, AttachmentResume));
}

}  // namespace ptnet::addon
