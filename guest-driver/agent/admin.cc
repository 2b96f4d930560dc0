// info, poke and cycle: what devices say, raw register access, and starting and stopping over and over.
#include <cstdio>
#include <cstring>

#include "commands.h"
#include "core/csb.h"
#include "core/policy.h"

namespace ptnet::agent {
namespace {

/// A BAR or the config space of one function, as --bar names it.
class PokeTarget {
 public:
  std::string Open(const PciFunction& function, const std::string& space) {
    function_ = &function;
    config_ = space == "config";
    size_ = 256;
    if (config_) return {};
    uint64_t bar = 0;
    if (!ParseNumber(space, bar) || bar >= PciFunction::kBars) return "--bar " + space + ": must be 0 to 5 or config";
    std::string error = bar_.Open(function, static_cast<int>(bar));
    size_ = bar_.size();
    return error;
  }

  std::string Check(uint64_t offset, int width) const {
    if (offset + static_cast<uint64_t>(width) <= size_ && offset < size_) return {};
    return "offset " + std::to_string(offset) + ": beyond the " + std::to_string(size_) + " bytes there";
  }

  uint32_t Read(uint64_t offset, int width) const {
    if (!config_) return bar_.Read(offset, width);
    uint32_t value = 0;
    function_->ReadConfig(offset, &value, static_cast<size_t>(width));
    return value;
  }

  void Write(uint64_t offset, uint32_t value, int width) const {
    if (!config_) return bar_.Write(offset, value, width);
    function_->WriteConfig(offset, &value, static_cast<size_t>(width));
  }

 private:
  const PciFunction* function_ = nullptr;
  BarAccess bar_;
  bool config_ = false;
  uint64_t size_ = 0;
};

std::string FindFunction(Args& args, PciFunction& found) {
  const bool memdev = args.Has("memdev-index");
  const std::string flag = memdev ? "memdev-index" : "device";
  const std::vector<PciFunction> all = memdev ? Memdev::FindAll() : Driver::FindAll();
  const uint64_t index = args.Number(flag, 0, 0, 255);
  if (index >= all.size())
    return "--" + flag + " " + std::to_string(index) + ": this machine has " + std::to_string(all.size());
  found = all[index];
  return found.Enable();
}

}  // namespace

Json Info(Args& args) {
  const std::string error = args.Finish();
  if (!error.empty()) return Failure("info", error);
  std::vector<Json> devices;
  for (const PciFunction& function : Driver::FindAll()) {
    Driver driver(function);
    const std::string why_not = driver.Open();
    devices.push_back(why_not.empty() ? driver.Describe()
                                      : Json().Set("address", function.address()).Set("error", why_not));
  }
  std::vector<Json> memdevs;
  for (const PciFunction& function : Memdev::FindAll()) {
    Memdev memdev(function);
    const std::string why_not = memdev.Open();
    memdevs.push_back(why_not.empty() ? memdev.Describe()
                                      : Json().Set("address", function.address()).Set("error", why_not));
  }
  return Json()
      .Set("op", "info")
      .Set("ok", true)
      .Set("mfence", guest::locked_is_no_barrier)
      .Set("devices", devices)
      .Set("memdevs", memdevs);
}

Json Poke(Args& args) {
  PciFunction function;
  std::string error = FindFunction(args, function);
  if (!error.empty()) return Failure("poke", error);
  const int width = static_cast<int>(args.Number("width", 4, 1, 4));
  const std::string space = args.Text("bar", "0");
  const std::vector<std::string> writes = args.All("write");
  const std::vector<std::string> reads = args.All("read");
  error = args.Finish();
  if (error.empty() && width == 3) error = "--width 3: must be 1, 2 or 4";
  if (error.empty() && writes.empty() && reads.empty()) error = "nothing to do: add --read OFF or --write OFF=VALUE";
  PokeTarget target;
  if (error.empty()) error = target.Open(function, space);
  if (!error.empty()) return Failure("poke", error);
  for (const std::string& write : writes) {
    const std::vector<std::string> parts = Split(write, '=');
    uint64_t offset = 0, value = 0;
    if (parts.size() != 2 || !ParseNumber(parts[0], offset) || !ParseNumber(parts[1], value) || value > UINT32_MAX)
      return Failure("poke", "--write " + write + ": must be OFF=VALUE");
    error = target.Check(offset, width);
    if (!error.empty()) return Failure("poke", error);
    target.Write(offset, static_cast<uint32_t>(value), width);
  }
  std::vector<Json> values;
  for (const std::string& read : reads) {
    uint64_t offset = 0;
    if (!ParseNumber(read, offset)) return Failure("poke", "--read " + read + ": must be an offset");
    error = target.Check(offset, width);
    if (!error.empty()) return Failure("poke", error);
    values.push_back(Json().Set("offset", offset).Set("value", target.Read(offset, width)));
  }
  return Json().Set("op", "poke").Set("ok", true).Set("reads", values);
}

Json Cycle(Args& args) {
  std::string error;
  const std::unique_ptr<Driver> driver = OpenDevice(args.Number("device", 0, 0, 255), error);
  if (!driver) return Failure("cycle", error);
  const uint64_t count = args.Number("count", 1, 1, 1'000'000);
  const uint64_t packets = args.Number("packets", 0, 0, 1'000'000);
  const uint32_t memid = static_cast<uint32_t>(args.Number("memdev", 0, 0, 65535));
  const double timeout = args.Positive("timeout", kTimeoutSeconds);
  error = args.Finish();
  if (!error.empty()) return Failure("cycle", error);
  const int64_t deadline = guest::NowNs() + static_cast<int64_t>(timeout * guest::kNsPerSecond);
  uint64_t done = 0;
  guest::LoopResult total;
  for (; done < count && error.empty(); ++done) {
    if (guest::NowNs() >= deadline) {
      error = "timeout: not done after " + std::to_string(timeout) + " s";
      break;
    }
    if (done == 0) {
      error = driver->Start(memid);
    } else {
      driver->WriteCsb(driver->csb().gh_address(), driver->csb().hg_address());
      const uint32_t created = driver->Create();
      error = created == 0 ? driver->OpenRings() : std::string("CREATE: ") + strerror(static_cast<int>(created));
    }
    if (error.empty() && packets > 0) {
      const guest::LoopResult result = SendSome(*driver, packets);
      error = result.error;
      total.sent.packets += result.sent.packets;
      total.kicks += result.kicks;
      total.pending += result.pending;
    }
    const uint32_t deleted = driver->Stop();
    if (error.empty() && deleted != 0) error = std::string("DELETE: ") + strerror(static_cast<int>(deleted));
    if (!error.empty()) break;
  }
  Json json;
  json.Set("op", "cycle").Set("ok", error.empty()).Set("cycles", done).Set("kicks", total.kicks);
  json.Set("sent", Json().Set("packets", total.sent.packets)).Set("pending", total.pending);
  if (!error.empty()) json.Set("error", error);
  return json;
}

void StopAllDevices() {
  for (const PciFunction& function : Driver::FindAll()) {
    Driver driver(function);
    if (driver.Open().empty()) driver.Stop();
  }
}

}  // namespace ptnet::agent
