// A veth pair whose near end is a port of the host, with its guest; the far end is the test's.
#pragma once

#include <unistd.h>

#include "forward/netif_port.h"
#include "packet_socket.h"
#include "traffic.h"

namespace ptnet::test {

/// AF_XDP takes rights on the machine, which root of a user namespace has not.
inline bool may_use_xdp = true;

inline void MakeVeth(const std::string& mtu = "1500", const std::string& queues = "1") {
  const std::string shape = " mtu " + mtu + " numrxqueues " + queues + " numtxqueues " + queues;
  Run("ip link add name near" + shape + " type veth peer name far" + shape);
  Run("ip link set near up && ip link set far up");
  for (const char* end : {"near", "far"}) AwaitQueues(end);
}
inline void RemoveVeth() { Run("ip link del near"); }

struct Rig {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<NetifPort> port;
  Guest guest;

  explicit Rig(PortShape shape = {"netmap:near", 1, 1, 64, 64, 0}, NetifOptions options = {}) {
    options.object = shape.name;
    options.name = "near";
    CHECK_OK(NetifPort::Create(MakeRegion(), stats, shape, options, &port));
  }
  void Attach(AttachOptions options = {.policy = Policy::kInline}) { guest.Attach(engine, *port, options); }
  bool Send(const Bytes& packet, uint32_t frags = 1, uint32_t ring = 0) {
    if (!guest.tx(ring).Put(packet.data(), static_cast<uint32_t>(packet.size()), frags)) return false;
    guest.tx(ring).Publish();
    guest.Sync(guest.tx(ring));
    return guest.tx(ring).Drained();
  }
  Bytes Take(uint32_t ring = 0) {
    guest.Sync(guest.rx(ring));
    Bytes packet = guest.rx(ring).Take();
    guest.rx(ring).Publish();
    guest.Sync(guest.rx(ring));
    return packet;
  }
  /// Frames come by another thread of the kernel's when the machine is busy.
  Bytes Await(uint32_t ring = 0) {
    Bytes packet;
    Eventually("a frame", [&] { return !(packet = Take(ring)).empty(); });
    return packet;
  }
  uint64_t drops(Kring& k, Drop cause) { return k.counters->drops[static_cast<int>(cause)]; }
};

inline NetifOptions By(NetifAccess access, uint32_t mtu = 0) {
  NetifOptions options;
  options.access = access;
  options.mtu = mtu;
  return options;
}

inline std::string Shown(const std::string& interface) {
  FILE* f = popen(("ip -d link show " + interface).c_str(), "r");
  char text[4096] = {};
  CHECK(fread(text, 1, sizeof text - 1, f) > 0);
  pclose(f);
  return text;
}

}  // namespace ptnet::test
