// Turns the options of startLoop() and startDuo() into configurations: required fields, limits, addresses that are
// mapped, open descriptors.
#include "options.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/policy.h"
#include "reader.h"

namespace ptnet::guest {
namespace {

constexpr int64_t kMaxRings = 1024;
constexpr int64_t kMaxFd = 1 << 20;
constexpr double kMaxSeconds = 86400;
constexpr int64_t kMaxMs = 86'400'000;

/// Whether every page of [address, address + size) is mapped in this process.
bool IsMapped(uint64_t address, uint64_t size) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t first = address / page * page;
  if (address == 0 || size == 0 || address + size < address) return false;
  constexpr uint64_t kChunk = 4096;  // pages asked about at once
  std::vector<unsigned char> resident(kChunk);
  const uint64_t end = address + size;
  for (uint64_t at = first; at < end; at += kChunk * page) {
    const uint64_t length = std::min(end - at, kChunk * page);
    if (mincore(reinterpret_cast<void*>(at), length, resident.data()) != 0) return false;
  }
  return true;
}

std::string Hex(uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

void ReadMemory(Reader& reader, PortLayout& layout) {
  reader.Integer("nifpOfs", 0, UINT32_MAX, layout.nifp_ofs);
  reader.Integer("numTxRings", 0, kMaxRings, layout.num_tx_rings);
  reader.Integer("numRxRings", 0, kMaxRings, layout.num_rx_rings);
  Reader region = reader.Child("region");
  uint64_t address = 0;
  region.BigInt("address", address);
  region.BigInt("size", layout.region.size);
  if (region.ok() && (address % 8 != 0 || !IsMapped(address, layout.region.size)))
    region.RangeError("address " + Hex(address) + ", size " + std::to_string(layout.region.size) +
                      ": must be memory mapped in this process, aligned to 8");
  layout.region.base = reinterpret_cast<uint8_t*>(address);
  if (!region.ok()) return;
  Reader csb = reader.Child("csb");
  const uint64_t size = (layout.num_tx_rings + layout.num_rx_rings) * sizeof(CsbGuestToHost);
  const auto read = [&](const char* name) {
    uint64_t at = 0;
    csb.BigInt(name, at);
    if (csb.ok() && (at % alignof(CsbGuestToHost) != 0 || !IsMapped(at, size)))
      csb.RangeError(std::string(name) + " " + Hex(at) + ": must be " + std::to_string(size) +
                     " bytes mapped in this process, aligned to 64");
    return at;
  };
  layout.gh = reinterpret_cast<CsbGuestToHost*>(read("guestToHost"));
  layout.hg = reinterpret_cast<CsbHostToGuest*>(read("hostToGuest"));
}

void ReadRings(Reader& reader, const char* name, uint32_t rings, std::vector<uint32_t>& into) {
  if (!reader.ok()) return;
  std::vector<int64_t> numbers;
  if (reader.Has(name)) {
    reader.Integers(name, 0, static_cast<int64_t>(rings) - 1, numbers);
    if (reader.ok() && std::set<int64_t>(numbers.begin(), numbers.end()).size() != numbers.size())
      reader.RangeError(std::string(name) + ": names a ring twice");
  } else {
    for (uint32_t i = 0; i < rings; ++i) numbers.push_back(i);
  }
  into.assign(numbers.begin(), numbers.end());
}

void CheckDescriptor(Reader& reader, const std::string& name, int fd) {
  if (reader.ok() && fcntl(fd, F_GETFD) < 0)
    reader.RangeError(name + " " + std::to_string(fd) + ": not an open descriptor");
}

bool ReadDoorbell(Reader& reader, StartOptions& options) {
  Reader doorbell = reader.Child("doorbell");
  doorbell.Integer("fd", 0, kMaxFd, options.doorbell.fd);
  doorbell.Integer("region", 0, 8, options.doorbell.region);
  doorbell.Integer("base", 0, UINT32_MAX, options.doorbell.base);
  doorbell.Boolean("wait", options.doorbell.wait);
  CheckDescriptor(doorbell, "fd", options.doorbell.fd);
  return doorbell.ok();
}

bool ReadNetmap(Reader& reader, StartOptions& options) {
  for (const char* name : {"doorbell", "interrupts"})
    if (reader.Has(name)) reader.TypeError(std::string(name) + ": netmap has ioctl and poll for it: leave it out");
  if (options.config.op == Op::kStack) reader.TypeError("netmap: not of a stack: leave it out");
  reader.Integer("netmap", 0, kMaxFd, options.netmap);
  CheckDescriptor(reader, "netmap", options.netmap);
  return reader.ok();
}

void ReadWakeups(Reader& reader, StartOptions& options) {
  if (!reader.ok() || !(reader.Has("netmap") ? ReadNetmap(reader, options) : ReadDoorbell(reader, options))) return;
  if (reader.Has("sleep")) reader.Boolean("sleep", options.config.sleep);
  int64_t spin_us = options.config.spin_ns / 1000;
  if (reader.Has("spinUs")) reader.Integer("spinUs", 0, 10'000'000, spin_us);
  options.config.spin_ns = spin_us * 1000;
  if (reader.Has("yieldAfter")) reader.Integer("yieldAfter", 0, int64_t{1} << 40, options.yield_after);
  if (!reader.Has("interrupts")) return;
  std::vector<int64_t> fds;
  reader.Integers("interrupts", -1, kMaxFd, fds);
  const size_t rings = options.layout.num_tx_rings + options.layout.num_rx_rings;
  if (reader.ok() && fds.size() != rings)
    reader.RangeError("interrupts: " + std::to_string(fds.size()) + " descriptors: must be one per ring, " +
                      std::to_string(rings));
  for (size_t i = 0; i < fds.size(); ++i)
    if (fds[i] >= 0) CheckDescriptor(reader, "interrupts[" + std::to_string(i) + "]", static_cast<int>(fds[i]));
  options.interrupts.assign(fds.begin(), fds.end());
}

void ReadTaps(Reader& reader, LoopConfig& config) {
  if (!reader.ok()) return;
  for (const char* name : {"taps", "capture"})
    if (config.op != Op::kStack && reader.Has(name))
      reader.TypeError(std::string(name) + ": only of a stack: leave it out");
  if (config.op != Op::kStack) return;
  std::vector<int64_t> fds;
  reader.Integers("taps", 0, kMaxFd, fds);
  for (size_t i = 0; i < fds.size(); ++i)
    CheckDescriptor(reader, "taps[" + std::to_string(i) + "]", static_cast<int>(fds[i]));
  config.taps.assign(fds.begin(), fds.end());
  if (!reader.Has("capture")) return;
  reader.Integer("capture", 0, kMaxFd, config.capture);
  CheckDescriptor(reader, "capture", config.capture);
}

/// A loop that sleeps must have an interrupt from each ring it can be waiting for.
void CheckSleep(Reader& reader, const StartOptions& options) {
  if (!options.config.sleep || options.netmap >= 0 || !reader.ok()) return;
  const auto check = [&](uint32_t index, const std::string& name) {
    if (reader.ok() && (options.interrupts.empty() || options.interrupts[index] < 0))
      reader.TypeError("sleep: " + name + " has no interrupt to wake the loop: add interrupts[" +
                       std::to_string(index) + "]");
  };
  for (const uint32_t i : options.tx_rings) check(i, "tx ring " + std::to_string(i));
  for (const uint32_t i : options.rx_rings) check(options.layout.num_tx_rings + i, "rx ring " + std::to_string(i));
}

void ReadTraffic(Reader& reader, LoopConfig& config) {
  size_t choice = 0;
  reader.OneOf("op", {"send", "receive", "echo", "duplex", "ping", "listen", "stack"}, choice);
  config.op = static_cast<Op>(choice);
  if (reader.Has("payload")) {
    reader.OneOf("payload", {"none", "stamp", "full"}, choice);
    config.payload = static_cast<Payload>(choice);
  }
  if (reader.Has("rhythm")) {
    reader.OneOf("rhythm", {"native", "foreign"}, choice);
    config.rhythm = static_cast<Rhythm>(choice);
  }
  if (reader.Has("count")) reader.BigInt("count", config.count);
  if (reader.Has("firstSeq")) reader.BigInt("firstSeq", config.first_seq);
  double seconds = 0;
  if (reader.Has("seconds")) reader.Positive("seconds", kMaxSeconds, seconds);
  config.duration_ns = static_cast<int64_t>(seconds * kNsPerSecond);
  int64_t idle_ms = 0;
  if (reader.Has("idleMs")) reader.Integer("idleMs", 1, kMaxMs, idle_ms);
  config.idle_ns = idle_ms * 1'000'000;
  if (reader.Has("vnetHdrLen")) reader.Integer("vnetHdrLen", 0, 12, config.vnet_hdr_len);
  if (reader.Has("size")) reader.Integer("size", 0, 1 << 20, config.size);
  if (reader.Has("frags")) reader.Integer("frags", 0, 1 << 20, config.frags);
  if (reader.Has("burst")) reader.Integer("burst", 0, 1 << 20, config.burst);
  if (reader.Has("stream")) reader.Integer("stream", 0, 65535, config.stream);
  if (reader.Has("rate")) reader.Positive("rate", 1e9, config.rate);
  if (reader.Has("dst")) reader.Mac("dst", config.dst);
  if (reader.Has("spread")) reader.Integer("spread", 0, 255, config.spread);
  if (reader.Has("src")) reader.Mac("src", config.src);
}

bool ReadAll(Napi::Env env, Reader& reader, StartOptions& options) {
  ReadTraffic(reader, options.config);
  ReadMemory(reader, options.layout);
  if (env.IsExceptionPending()) return false;
  ReadRings(reader, "txRings", options.layout.num_tx_rings, options.tx_rings);
  ReadRings(reader, "rxRings", options.layout.num_rx_rings, options.rx_rings);
  if (options.config.op == Op::kSend) options.rx_rings.clear();
  if (options.config.op == Op::kReceive || options.config.op == Op::kListen) options.tx_rings.clear();
  ReadWakeups(reader, options);
  ReadTaps(reader, options.config);
  if (env.IsExceptionPending()) return false;
  CheckSleep(reader, options);
  return reader.ok();
}

/// One of two loops that take turns: what it must be, and what it cannot be told.
bool ReadSide(Napi::Env env, const Napi::Value& value, const std::string& op, StartOptions& options) {
  Reader reader(env, value, "startDuo", op + ".");
  size_t only = 0;
  reader.OneOf("op", {op}, only);
  for (const char* name : {"sleep", "spinUs", "yieldAfter", "netmap"})
    if (reader.Has(name)) reader.TypeError(std::string(name) + ": neither loop of a duo waits: leave it out");
  if (op == "echo")
    for (const char* name : {"count", "seconds", "idleMs"})
      if (reader.Has(name)) reader.TypeError(std::string(name) + ": the echo ends with the ping: leave it out");
  options.name = "startDuo: " + op;
  return ReadAll(env, reader, options);
}

}  // namespace

bool ReadOptions(Napi::Env env, const Napi::Value& value, StartOptions& options) {
  Reader reader(env, value, "startLoop", "");
  options.name = "startLoop";
  return ReadAll(env, reader, options);
}

bool ReadDuo(Napi::Env env, const Napi::Value& ping, const Napi::Value& echo, std::vector<StartOptions>& options) {
  options.resize(2);
  return ReadSide(env, ping, "ping", options[0]) && ReadSide(env, echo, "echo", options[1]);
}

}  // namespace ptnet::guest
