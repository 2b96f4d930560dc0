// The addon's memory: regions, the statistics area, and the layouts that TypeScript checks its own against.
#include <uv.h>

#include <cstring>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/external.h"
#include "addon/handles.h"
#include "addon/region_args.h"

namespace ptnet::addon {

bool ThrowUnlessOk(Napi::Env env, const Status& status) {
  if (status.ok()) return true;
  Napi::Error error = Napi::Error::New(env, status.message);
  error.Set("errno", Napi::Number::New(env, -status.err));
  error.Set("code", Napi::String::New(env, uv_err_name(-status.err)));
  error.ThrowAsJavaScriptException();
  return false;
}

namespace {

bool GetCount(Napi::Value object, const char* key, uint32_t* out) {
  int64_t n;
  if (!GetInteger(GetOption(object, key), key, 0, UINT32_MAX, &n)) return false;
  *out = static_cast<uint32_t>(n);
  return true;
}

}  // namespace

bool GetRegionShape(Napi::Value value, uint16_t* id, RegionShape* shape, RegionPages* pages) {
  int64_t n;
  if (!GetInteger(GetOption(value, "id"), "id", 0, 65535, &n) || !GetCount(value, "ifNum", &shape->ifs.num) ||
      !GetCount(value, "ifSize", &shape->ifs.size) || !GetCount(value, "ringNum", &shape->rings.num) ||
      !GetCount(value, "ringSize", &shape->rings.size) || !GetCount(value, "bufNum", &shape->bufs.num) ||
      !GetCount(value, "bufSize", &shape->bufs.size))
    return false;
  *id = static_cast<uint16_t>(n);
  pages->hugepages = GetOption(value, "hugepages").ToBoolean();
  if (GetOption(value, "numaNode").IsUndefined()) return true;
  return GetCount(value, "numaNode", &pages->numa_node.emplace());
}

namespace {

Napi::Value RegionCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint16_t id;
  RegionShape shape;
  RegionPages pages;
  std::shared_ptr<Region> region;
  if (!GetRegionShape(info[0], &id, &shape, &pages) || !ThrowUnlessOk(env, Region::Create(id, shape, pages, &region)))
    return env.Undefined();
  return WrapHandle(env, std::move(region));
}

Napi::Object PoolInfo(Napi::Env env, const Pool& pool) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("offset", static_cast<double>(pool.offset()));
  o.Set("count", pool.num());
  o.Set("size", pool.size());
  o.Set("free", pool.available());
  return o;
}

Napi::Value RegionInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  if (!region) return env.Undefined();
  Napi::Object o = Napi::Object::New(env);
  o.Set("id", region->id());
  o.Set("fd", region->fd());
  o.Set("lost", region->lost());
  o.Set("memsize", static_cast<double>(region->memsize()));
  o.Set("barSize", static_cast<double>(region->bar_size()));
  Napi::Object pools = Napi::Object::New(env);
  pools.Set("if", PoolInfo(env, region->ifs()));
  pools.Set("ring", PoolInfo(env, region->rings()));
  pools.Set("buf", PoolInfo(env, region->bufs()));
  o.Set("pools", pools);
  return o;
}

Napi::Value RegionBuffer(const Napi::CallbackInfo& info) {
  auto region = UnwrapHandle<Region>(info[0]);
  if (!region) return info.Env().Undefined();
  return ExternalBuffer(info.Env(), region, region->base(), region->memsize());
}

/// The part of a region that (region, offset, bytes) are about; nullptr with an error thrown when it is not inside.
uint8_t* RegionPart(const Napi::CallbackInfo& info, Napi::Uint8Array* bytes) {
  auto region = UnwrapHandle<Region>(info[0]);
  if (!region) return nullptr;
  if (!info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(info.Env(), "bytes: a Uint8Array is expected").ThrowAsJavaScriptException();
    return nullptr;
  }
  *bytes = info[2].As<Napi::Uint8Array>();
  const int64_t room = static_cast<int64_t>(region->memsize()) - static_cast<int64_t>(bytes->ByteLength());
  int64_t offset;
  if (!GetInteger(info[1], "offset", 0, room, &offset)) return nullptr;
  return region->base() + offset;
}

/// regionRead(region, offset, into)
Napi::Value RegionRead(const Napi::CallbackInfo& info) {
  Napi::Uint8Array into;
  if (const uint8_t* part = RegionPart(info, &into)) std::memcpy(into.Data(), part, into.ByteLength());
  return info.Env().Undefined();
}

/// regionWrite(region, offset, from)
Napi::Value RegionWrite(const Napi::CallbackInfo& info) {
  Napi::Uint8Array from;
  if (uint8_t* part = RegionPart(info, &from)) std::memcpy(part, from.Data(), from.ByteLength());
  return info.Env().Undefined();
}

Napi::Value StatsCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int64_t blocks;
  std::shared_ptr<StatsArea> area;
  if (!GetInteger(info[0], "blocks", 1, 1 << 20, &blocks) ||
      !ThrowUnlessOk(env, StatsArea::Create(static_cast<uint32_t>(blocks), &area)))
    return env.Undefined();
  return WrapHandle(env, std::move(area));
}

Napi::Value StatsBuffer(const Napi::CallbackInfo& info) {
  auto area = UnwrapHandle<StatsArea>(info[0]);
  if (!area) return info.Env().Undefined();
  return ExternalBuffer(info.Env(), area, area->base(), area->size());
}

/// What the C++ side takes each offset and size for: { struct: { field: offset, ..., '': size } }.
Napi::Value Layouts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object all = Napi::Object::New(env);
  auto add = [&](const char* name, size_t size, std::initializer_list<std::pair<const char*, size_t>> fields) {
    Napi::Object o = Napi::Object::New(env);
    for (auto [field, offset] : fields) o.Set(field, static_cast<double>(offset));
    o.Set("", static_cast<double>(size));
    all.Set(name, o);
  };
#define FIELD(type, field) {#field, offsetof(type, field)}
  add("netmap_if", sizeof(NetmapIf),
      {FIELD(NetmapIf, name), FIELD(NetmapIf, version), FIELD(NetmapIf, flags), FIELD(NetmapIf, tx_rings),
       FIELD(NetmapIf, rx_rings), FIELD(NetmapIf, bufs_head), FIELD(NetmapIf, host_tx_rings),
       FIELD(NetmapIf, host_rx_rings)});
  add("netmap_ring", sizeof(NetmapRing),
      {FIELD(NetmapRing, buf_ofs), FIELD(NetmapRing, num_slots), FIELD(NetmapRing, buf_size), FIELD(NetmapRing, ringid),
       FIELD(NetmapRing, dir), FIELD(NetmapRing, head), FIELD(NetmapRing, cur), FIELD(NetmapRing, tail),
       FIELD(NetmapRing, flags), FIELD(NetmapRing, offset_mask), FIELD(NetmapRing, buf_align)});
  add("netmap_slot", sizeof(NetmapSlot),
      {FIELD(NetmapSlot, buf_idx), FIELD(NetmapSlot, len), FIELD(NetmapSlot, flags), FIELD(NetmapSlot, ptr)});
  add("csb_atok", sizeof(CsbAtok),
      {FIELD(CsbAtok, head), FIELD(CsbAtok, cur), FIELD(CsbAtok, appl_need_kick), FIELD(CsbAtok, sync_flags)});
  add("csb_ktoa", sizeof(CsbKtoa), {FIELD(CsbKtoa, hwcur), FIELD(CsbKtoa, hwtail), FIELD(CsbKtoa, kern_need_kick)});
  add("ring_counters", sizeof(RingCounters),
      {FIELD(RingCounters, packets), FIELD(RingCounters, bytes), FIELD(RingCounters, syncs),
       FIELD(RingCounters, interrupts), FIELD(RingCounters, bad_index), FIELD(RingCounters, place),
       FIELD(RingCounters, sent), FIELD(RingCounters, drops), FIELD(RingCounters, reraised), FIELD(RingCounters, lost),
       FIELD(RingCounters, late), FIELD(RingCounters, corrupt), FIELD(RingCounters, irq_slow),
       FIELD(RingCounters, mem_slow), FIELD(RingCounters, kicks)});
#undef FIELD
  return all;
}

}  // namespace

void InitMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("regionCreate", Napi::Function::New(env, RegionCreate));
  exports.Set("regionInfo", Napi::Function::New(env, RegionInfo));
  exports.Set("regionBuffer", Napi::Function::New(env, RegionBuffer));
  exports.Set("regionRead", Napi::Function::New(env, RegionRead));
  exports.Set("regionWrite", Napi::Function::New(env, RegionWrite));
  exports.Set("statsCreate", Napi::Function::New(env, StatsCreate));
  exports.Set("statsBuffer", Napi::Function::New(env, StatsBuffer));
  exports.Set("layouts", Napi::Function::New(env, Layouts));
}

}  // namespace ptnet::addon
