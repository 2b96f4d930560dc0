// What one packet costs the thread that serves it: every path with its rings in one thread, so that no other core's
// cache and no scheduler is in the figure. Under callgrind (--toggle-collect='*ServeAsAWorker*') the instructions are
// exact.
//   service_cost PATH SIZE BURST PACKETS     prints {"packets":N,"nsPerPacket":X}
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "datapath/clock.h"
#include "forward/echo.h"
#include "forward/monitor.h"
#include "forward/null_port.h"
#include "forward/pipe.h"
#include "plugin_files.h"
#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

const PortShape kShape{"", 1, 1, 512, 512, 0};

/// One tx ring whose packets go round and round, and the rings they arrive in.
struct Path {
  virtual ~Path() = default;
  /// Between two bursts, in nobody's time.
  virtual void Rest() {}
  /// Null when the host is the sender, or the receiver.
  GuestRing *tx = nullptr, *rx = nullptr;
  Flow* flow = nullptr;
  /// Bytes of virtio-net header before each packet that is sent.
  uint8_t vnet_hdr_len = 0;
};

struct NullPath final : Path {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  Guest guest;

  NullPath(bool sends, uint32_t size) {
    PortShape shape = kShape;
    shape.name = "null:a";
    CHECK_OK(NullPort::Create(MakeRegion(), MakeStats(), shape, &port));
    if (!sends) port->source(0).Configure({.packets = SourceConfig::kUnlimited, .size = size});
    guest.Attach(engine, *port);
    (sends ? tx : rx) = sends ? &guest.tx() : &guest.rx();
    flow = port->flow(sends ? 0 : 1);
  }
};

struct PipePath final : Path {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<PipePair> pair;
  Guest a, b;

  PipePath() {
    PortShape shape = kShape;
    shape.name = "p{1";
    CHECK_OK(PipePair::Create(MakeRegion(), MakeStats(), shape, "p}1", &pair));
    a.Attach(engine, pair->master());
    b.Attach(engine, pair->slave());
    tx = &a.tx(), rx = &b.rx();
    flow = pair->master().flow(0);
  }
};

struct EchoPath final : Path {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<EchoPort> port;
  Guest guest;

  EchoPath() {
    PortShape shape = kShape;
    shape.name = "echo:a";
    CHECK_OK(EchoPort::Create(MakeRegion(), MakeStats(), shape, &port));
    guest.Attach(engine, *port);
    tx = &guest.tx(), rx = &guest.rx();
    flow = port->flow(0);
  }
};

/// What a station makes itself known with.
Bytes Arp() {
  Bytes frame = Frame(0xff, 1);
  Set16(frame, 12, 0x0806);
  return frame;
}

struct ValePath final : Path {
  Net net{SwitchOptions{.patience_ns = 0}, 0};

  /// Who sends has a virtio-net header of `from` bytes, who receives one of `to`.
  ValePath(uint8_t from, uint8_t to, std::unique_ptr<Lookup> lookup = nullptr) {
    net.sw->SetLookup(std::move(lookup));
    for (uint8_t len : {from, to}) {
      Station& station = net.Add(kShape, 2048, false);
      station.guest.Attach(net.engine, *station.port, {.policy = Policy::kInline, .vnet_hdr_len = len});
    }
    vnet_hdr_len = from;
    net[1].Send(WithHeader({}, Arp(), to));
    net[0].guest.rx().Take();
    net[0].guest.rx().Publish();
    tx = &net[0].guest.tx(), rx = &net[1].guest.rx();
    flow = net[0].port->flow(0);
  }
};

/// The path of another one, whose sender's port is watched by somebody who takes everything, or nothing.
struct WatchedPath final : Path {
  std::unique_ptr<Path> path;
  std::shared_ptr<MonitorPort> port;
  Guest guest;
  const bool takes;

  WatchedPath(std::unique_ptr<Path> watched_path, std::shared_ptr<Engine> engine, std::shared_ptr<Port> watched,
              bool takes_all)
      : path(std::move(watched_path)), takes(takes_all) {
    CHECK_OK(MonitorPort::Create(MakeRegion(9), MakeStats(), {"x/t", 1, 1, 4, 2048, 0}, engine, {watched, nullptr},
                                 {.tx = true}, &port));
    guest.Attach(engine, *port);
    // Not in the sender's time: what brings them in takes long enough to be looked at.
    for (uint32_t i = 0; i < guest.rx().num_slots; i++) memset(guest.rx().data(i), 0, guest.rx().buf_size);
    tx = path->tx, rx = path->rx, flow = path->flow;
  }
  ~WatchedPath() override { guest.Detach(); }
  void Rest() override {
    if (!takes) return;
    GuestRing& r = guest.rx();
    r.head = r.Advance(r.head, r.Mine());
    r.Show();
  }
};

std::unique_ptr<Path> WatchedVale(bool takes) {
  auto path = std::make_unique<ValePath>(0, 0);
  Net& net = path->net;
  return std::make_unique<WatchedPath>(std::move(path), net.engine, net[0].port, takes);
}

std::unique_ptr<Path> WatchedPipe(bool takes) {
  auto path = std::make_unique<PipePath>();
  auto engine = path->engine;
  std::shared_ptr<Port> master(path->pair, &path->pair->master());
  return std::make_unique<WatchedPath>(std::move(path), engine, master, takes);
}

/// A switch with the firewall of examples/firewall, of whose rules the last one lets pass what is sent.
std::unique_ptr<Lookup> WithFirewall() {
  std::string rules;
  for (int i = 0; i < 7; i++) rules += "drop tcp to 10." + std::to_string(i) + ".0.0/16 port 80\n";
  for (int i = 0; i < 7; i++) rules += "drop udp from 192.0.2.0/24 to any port " + std::to_string(1000 + i) + "\n";
  return LoadPlugin("firewall", rules + "pass arp\npass udp from 192.0.2.0/24 to any port 53\n");
}

/// Every slot of a tx ring shows a UDP packet from station 0 to station 1; the guest then only moves its head.
void Prepare(GuestRing& tx, uint32_t size, uint8_t vnet_hdr_len) {
  FrameSpec spec;
  spec.tcp = false;
  spec.payload = Bytes(size - spec.payload_at());
  Bytes frame = spec.Build(true);
  const Bytes stations = Frame(1, 0);
  std::copy_n(stations.begin(), 12, frame.begin());
  const auto packet = WithHeader({}, frame, vnet_hdr_len);
  for (uint32_t i = 0; i < tx.num_slots; i++) {
    std::copy(packet.begin(), packet.end(), tx.data(i));
    tx.slot(i).len = static_cast<uint16_t>(packet.size());
  }
}

struct Cost {
  uint64_t packets = 0, ns = 0;
};

/// By no clock: what takes long because it is counted would pass for memory that keeps its worker waiting, and to find
/// out whose it is takes longer than the packets.
[[gnu::noinline]] void ServeAsAWorker(Flow& flow) {
  flow.Unblock();
  do {
    while (flow.Serve(kRoundBudget).moved) {
    }
  } while (flow.Arm());
}

/// One burst: published, served, given back.
void Lap(Path& path, uint32_t burst, Cost* cost) {
  GuestRing& served = path.tx != nullptr ? *path.tx : *path.rx;
  if (path.tx != nullptr) path.tx->head = path.tx->Advance(path.tx->head, burst);
  const uint32_t before = path.rx != nullptr ? path.rx->Mine() : 0;
  served.Show();
  const uint64_t start = NowNs();
  ServeAsAWorker(*path.flow);
  cost->ns += NowNs() - start;
  if (path.rx == nullptr) {
    CHECK(path.tx->Drained());
    cost->packets += burst;
    return;
  }
  cost->packets += path.rx->Mine() - before;
  // A source fills the ring whatever it had, so what is given back is the burst.
  path.rx->head = path.rx->Advance(path.rx->head, std::min(burst, path.rx->Mine()));
  path.rx->Show();
}

std::unique_ptr<Path> Make(const std::string& name, uint32_t size) {
  if (name == "guest-to-host") return std::make_unique<NullPath>(true, size);
  if (name == "host-to-guest") return std::make_unique<NullPath>(false, size);
  if (name == "guest-to-guest-pipe") return std::make_unique<PipePath>();
  if (name == "guest-to-guest-vale") return std::make_unique<ValePath>(0, 0);
  if (name == "echo") return std::make_unique<EchoPath>();
  if (name == "vale-vnet-hdr") return std::make_unique<ValePath>(12, 12);
  if (name == "vale-vnet-hdr-taken") return std::make_unique<ValePath>(12, 0);
  if (name == "vale-vnet-hdr-added") return std::make_unique<ValePath>(0, 12);
  if (name == "vale-isolated")
    return std::make_unique<ValePath>(
        0, 0,
        std::make_unique<IsolatedLookup>(std::vector<std::string>{"vale0:1"}, std::vector<std::vector<std::string>>{}));
  if (name == "vale-monitor-reads") return WatchedVale(true);
  if (name == "vale-monitor-rests") return WatchedVale(false);
  if (name == "pipe-monitor-reads") return WatchedPipe(true);
  if (name == "pipe-monitor-rests") return WatchedPipe(false);
  if (name == "vale-firewall") return std::make_unique<ValePath>(0, 0, WithFirewall());
  Fail(__FILE__, __LINE__,
       name +
           ": guest-to-host, host-to-guest, guest-to-guest-pipe, guest-to-guest-vale, echo, vale-vnet-hdr, "
           "vale-vnet-hdr-taken, vale-vnet-hdr-added, vale-isolated, vale-monitor-reads, vale-monitor-rests, "
           "pipe-monitor-reads, pipe-monitor-rests or vale-firewall would be right");
}

/// The number in `text`, which names itself in what is wrong with it.
uint32_t Number(const char* what, const char* text, uint32_t least, uint32_t most) {
  char* end;
  const unsigned long value = std::strtoul(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < least || value > most)
    Fail(__FILE__, __LINE__,
         std::string(what) + " '" + text + "': " + std::to_string(least) + " to " + std::to_string(most) +
             " would be right");
  return static_cast<uint32_t>(value);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) Fail(__FILE__, __LINE__, "usage: service_cost PATH SIZE BURST PACKETS");
  const uint32_t size = Number("SIZE", argv[2], 60, 2036);
  const uint32_t burst = Number("BURST", argv[3], 1, kShape.tx_slots / 2);
  const uint32_t packets = Number("PACKETS", argv[4], 1, 2'000'000'000);
  const std::unique_ptr<Path> path = Make(argv[1], size);
  if (path->tx != nullptr) Prepare(*path->tx, size, path->vnet_hdr_len);
  Cost cost;
  while (cost.packets < packets) {
    Lap(*path, burst, &cost);
    path->Rest();
  }
  std::printf("{\"packets\":%llu,\"nsPerPacket\":%.3f}\n", static_cast<unsigned long long>(cost.packets),
              static_cast<double>(cost.ns) / static_cast<double>(cost.packets));
}
