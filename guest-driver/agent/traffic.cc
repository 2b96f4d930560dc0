// send, receive, echo, duplex and ping: the core's loops on a live device.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "commands.h"
#include "core/loop.h"
#include "core/ping.h"

namespace ptnet::agent {
namespace {

struct DeviceKicker {
  Driver& driver;
  bool Kick(uint32_t index) {
    driver.Kick(index);
    return true;
  }
  std::string error() const { return {}; }
};

/// A loop that has long found nothing naps. Told to use interrupts it asks for them and looks for one between naps.
struct GuestWaiter {
  // A clock read may leave the virtual machine, and so does a pause: both are rare here.
  static constexpr uint64_t kClockEvery = 1024;
  static constexpr uint64_t kPauseAfter = 16384;
  static constexpr int64_t kNapNs = 50'000;

  Msix* msix = nullptr;
  uint64_t taken = 0;

  void Spin(uint64_t fruitless) {
    if (fruitless > kPauseAfter) __builtin_ia32_pause();
  }
  bool CanSleep() { return msix != nullptr; }
  void Sleep(int64_t ns) {
    const int64_t deadline = ns < 0 ? INT64_MAX : guest::NowNs() + ns;
    uint32_t now = 0;
    while ((now = msix->Take()) == 0 && guest::NowNs() < deadline) guest::NapNs(kNapNs);
    taken += now;
  }
  void Nap(int64_t ns) { guest::NapNs(ns); }
  uint64_t interrupts() {
    if (msix != nullptr) taken += msix->Take();
    return taken;
  }
};

/// Prints how far a loop is, before its first packet and once a second until it is destroyed.
class ProgressPrinter {
 public:
  ProgressPrinter(const guest::LoopControl& control, bool wanted) {
    if (!wanted) return;
    Print(control);
    thread_ = std::thread([this, &control] {
      for (int tick = 1; !done_.load(); ++tick) {
        guest::NapNs(kTickNs);
        if (tick % 10 == 0) Print(control);
      }
    });
  }
  ~ProgressPrinter() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  static constexpr int64_t kTickNs = 100'000'000;

  static void Print(const guest::LoopControl& control) {
    PrintLine("PTNET-PROGRESS " +
              Json().Set("sent", control.sent.load()).Set("received", control.received.load()).Text());
  }

  std::atomic<bool> done_{false};
  std::thread thread_;
};

guest::LoopControl* interrupted = nullptr;

void OnSignal(int) { interrupted->stop.store(true, std::memory_order_relaxed); }

void ReadTraffic(Args& args, Driver& driver, guest::LoopConfig& config) {
  config.payload = static_cast<guest::Payload>(args.OneOf("payload", {"none", "stamp", "full"}, 1));
  config.count = args.Number("count", guest::kNoLimit, 1, guest::kNoLimit - 1);
  config.idle_ns = static_cast<int64_t>(args.Number("idle-ms", 0, 0, 86'400'000)) * 1'000'000;
  config.size = static_cast<uint32_t>(args.Number("size", config.size, 0, 1 << 20));
  config.frags = static_cast<uint32_t>(args.Number("frags", config.frags, 0, 1 << 20));
  config.burst = static_cast<uint32_t>(args.Number("burst", config.burst, 0, 1 << 20));
  config.stream = static_cast<uint16_t>(args.Number("stream", 0, 0, 65535));
  config.first_seq = args.Number("first-seq", 0, 0, UINT64_MAX);
  config.rate = args.Positive("rate", 0);
  config.rhythm = static_cast<guest::Rhythm>(args.OneOf("rhythm", {"native", "foreign"}, 0));
  config.sleep = true;
  config.spin_ns = static_cast<int64_t>(args.Number("spin-us", 1000, 0, 60'000'000)) * 1000;
  std::copy(driver.mac(), driver.mac() + 6, config.src);
  args.Mac("src", config.src);
  args.Mac("dst", config.dst);
  config.spread = static_cast<uint8_t>(args.Number("spread", 1, 0, 255));
}

void ChooseRings(Args& args, Driver& driver, guest::LoopConfig& config) {
  // --rings names rings of both directions, the longer flags those of one.
  const auto choose = [&](const char* flag, uint32_t rings) {
    return args.Rings(args.Has(flag) ? flag : "rings", rings);
  };
  std::vector<uint32_t> tx = choose("tx-rings", driver.num_tx_rings());
  std::vector<uint32_t> rx = choose("rx-rings", driver.num_rx_rings());
  if (args.Switch("application")) {
    for (uint32_t i = driver.num_tx_rings(); i < driver.port().tx.size(); ++i) tx.push_back(i);
    for (uint32_t i = driver.num_rx_rings(); i < driver.port().rx.size(); ++i) rx.push_back(i);
  }
  if (config.op != guest::Op::kReceive)
    for (const uint32_t i : tx)
      if (i < driver.port().tx.size()) config.tx.push_back(driver.port().tx[i]);
  if (config.op != guest::Op::kSend)
    for (const uint32_t i : rx)
      if (i < driver.port().rx.size()) config.rx.push_back(driver.port().rx[i]);
}

/// One vector per ring in use.
std::string EnableInterrupts(Driver& driver, const guest::LoopConfig& config, Msix& msix) {
  std::vector<uint32_t> vectors;
  for (const guest::Ring& ring : config.tx) vectors.push_back(ring.index);
  for (const guest::Ring& ring : config.rx) vectors.push_back(ring.index);
  return msix.Enable(driver.function(), vectors, driver.csb().mailbox(), driver.csb().mailbox_address());
}

Json Describe(const guest::Percentiles& times) {
  return Json()
      .Set("count", times.count)
      .Set("p50", times.p50)
      .Set("p99", times.p99)
      .Set("p999", times.p999)
      .Set("max", times.max);
}

Json Describe(const std::string& op, const guest::LoopResult& result) {
  const auto traffic = [](const guest::Traffic& from) {
    return Json().Set("packets", from.packets).Set("bytes", from.bytes);
  };
  const uint64_t packets = std::max(result.sent.packets, result.received.packets);
  const double mpps = result.seconds > 0 ? static_cast<double>(packets) / result.seconds / 1e6 : 0;
  Json json;
  json.Set("op", op)
      .Set("ok", result.error.empty())
      .Set("sent", traffic(result.sent))
      .Set("received",
           traffic(result.received).Set("lost", result.lost).Set("late", result.late).Set("corrupt", result.corrupt))
      .Set("seconds", result.seconds)
      .Set("mpps", mpps)
      .Set("kicks", result.kicks)
      .Set("idleKicks", result.idle_kicks)
      .Set("interrupts", result.interrupts)
      .Set("syncs", result.syncs)
      .Set("full", result.full)
      .Set("pending", result.pending)
      .Set("stopped", guest::NameOf(result.stopped));
  if (op == "ping")
    json.Set("roundTrip", Describe(result.latency.round_trip))
        .Set("service", Describe(result.latency.service))
        .Set("kicked", Describe(result.latency.kicked));
  return json;
}

}  // namespace

guest::LoopResult RunLoop(Driver& driver, guest::LoopConfig& config, guest::LoopControl& control, Msix* msix) {
  DeviceKicker kicker{driver};
  GuestWaiter waiter{msix};
  // What was raised before the loop began is not the loop's.
  if (msix != nullptr) msix->Take();
  if (config.op == guest::Op::kPing) return guest::PingLoop(config, control, kicker, waiter).Run();
  return guest::Loop(config, control, kicker, waiter).Run();
}

guest::LoopResult SendSome(Driver& driver, uint64_t count) {
  guest::LoopConfig config;
  config.op = guest::Op::kSend;
  config.tx = driver.port().tx;
  config.count = count * config.tx.size();
  config.duration_ns = guest::kNsPerSecond;
  std::copy(driver.mac(), driver.mac() + 6, config.src);
  guest::LoopResult result;
  result.error = Check(config);
  if (!result.error.empty()) return result;
  guest::LoopControl control;
  return RunLoop(driver, config, control, nullptr);
}

Json Traffic(Args& args) {
  const std::string& op = args.op();
  guest::LoopConfig config;
  config.op = op == "send"      ? guest::Op::kSend
              : op == "receive" ? guest::Op::kReceive
              : op == "echo"    ? guest::Op::kEcho
              : op == "ping"    ? guest::Op::kPing
                                : guest::Op::kDuplex;
  std::string error;
  const std::unique_ptr<Driver> driver = OpenDevice(args.Number("device", 0, 0, 255), error);
  if (!driver) return Failure(op, error);
  ReadTraffic(args, *driver, config);
  config.vnet_hdr_len = static_cast<uint32_t>(args.Number("vnet-hdr", 0, 0, 12));
  driver->SetVnetHdrLen(config.vnet_hdr_len);
  const double timeout = args.Positive("timeout", kTimeoutSeconds);
  const double seconds = args.Positive("seconds", timeout);
  config.duration_ns = static_cast<int64_t>(std::min(seconds, timeout) * guest::kNsPerSecond);
  const bool limited = args.Has("seconds") && seconds <= timeout;
  const uint32_t memid = static_cast<uint32_t>(args.Number("memdev", 0, 0, 65535));
  const bool progress = args.Switch("progress");
  const bool interrupts = args.Switch("interrupts");
  const bool application = args.Switch("application");
  guest::LoopConfig rehearsal = config;
  ChooseRings(args, *driver, rehearsal);  // reads the flags; the rings are opened only after CREATE
  error = args.Finish();
  if (error.empty()) error = application ? driver->StartAsApplication(memid) : driver->Start(memid);
  if (!error.empty()) return Failure(op, error);
  ChooseRings(args, *driver, config);
  error = Check(config);
  if (!error.empty()) return Failure(op, error);

  Msix msix;
  if (interrupts) error = EnableInterrupts(*driver, config, msix);
  if (!error.empty()) return Failure(op, error);
  guest::LoopControl control;
  interrupted = &control;
  signal(SIGINT, OnSignal);
  signal(SIGTERM, OnSignal);
  guest::LoopResult result;
  {
    const ProgressPrinter printer(control, progress);
    result = RunLoop(*driver, config, control, interrupts ? &msix : nullptr);
  }
  if (result.error.empty() && driver->csb().Moved())
    result.error = "CSB: the kernel moved its pages while the device used them: give the VM a free 2 MiB huge page";
  if (result.error.empty() && result.stopped == guest::Stopped::kSeconds && !limited)
    result.error = "timeout: not done after " + std::to_string(timeout) + " s";
  Json json = Describe(op, result);
  if (application) json.Set("hostRings", driver->host_rings());
  if (!result.error.empty()) json.Set("error", result.error);
  const uint32_t deleted = driver->Stop();
  if (deleted != 0) json.Set("delete", deleted);
  return json;
}

}  // namespace ptnet::agent
