// Traffic for the tests of the engine: guests that send, receive and answer in bursts, sleep as drivers do, and kick
// only when the host asks for it.
#pragma once

#include <atomic>
#include <thread>

#include "eventually.h"
#include "forward/null_port.h"
#include "forward/pipe.h"
#include "forward/vale.h"
#include "guest.h"

namespace ptnet::test {

inline constexpr Policy kPolicies[] = {Policy::kPoll, Policy::kAdaptive, Policy::kNotify};

/// A short spin, so that flows park often.
inline AttachOptions Served(Policy policy, uint32_t worker = 0) { return {policy, 20'000, worker}; }
inline AttachOptions AnyService(Random& random, const Engine& engine) {
  return {kPolicies[random.Below(3)], random.Below(40'000), random.Below(engine.workers())};
}

/// Waits until the worker's thread sleeps and owns nothing: nothing wakes it then but what is rung. Twice, as the
/// wakeup of the first call may reach it only in its next sleep.
inline void AwaitAsleep(Worker& worker) {
  for (int i = 0; i < 2; i++) {
    uint64_t awake = 0;
    worker.Call([&] { awake = worker.counters().sleeps; });
    Eventually("a worker at rest", [&] { return worker.counters().sleeps > awake; });
  }
}

/// Sometimes long enough for the worker to park the flow.
inline void MaybeNap(Random& random) {
  if (random.OneIn(24)) usleep(random.Below(120));
}

/// Whose packets they are, and for whom.
struct Stream {
  uint16_t number = 0;
  uint8_t dst = 0xff;
  uint8_t src = 1;
};

/// Puts probe `seq`, in up to `frags_max` slots, waiting for room; what was put before is published before it sleeps.
inline void PutProbe(GuestRing& ring, uint64_t seq, Random& random, Stream stream = {}, uint32_t frags_max = 1) {
  uint32_t frags = 1 + random.Below(std::min(frags_max, ring.num_slots - 1));
  if (ring.Mine() < frags) {
    ring.Publish();
    ring.Await(frags);
  }
  auto packet = Probe(seq, 60 + random.Below(200), stream.number, stream.dst, stream.src);
  CHECK(ring.Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
}

/// Sends the probes [first, end) in bursts of up to a ring.
inline void Send(GuestRing& ring, uint64_t first, uint64_t end, Random random, Stream stream = {}) {
  while (first < end) {
    for (uint32_t burst = 1 + random.Below(ring.num_slots - 1); burst > 0 && first < end; burst--)
      PutProbe(ring, first++, random, stream, 3);
    ring.Publish();
    MaybeNap(random);
  }
}

/// Sleeps until everything that was sent is taken.
inline void Drain(GuestRing& ring) { ring.Await(ring.num_slots - 1); }

/// Receives until `receiver` has seen `packets`.
inline void Receive(GuestRing& ring, Receiver& receiver, uint64_t packets, Random random) {
  while (receiver.packets < packets) {
    ring.Await();
    receiver.Take(ring);
    MaybeNap(random);
    ring.Publish();
  }
}

/// Answers every packet with one of its own stream, having given its slots back first.
inline void Answer(Guest& guest, uint64_t packets, Random random, Stream stream) {
  Receiver receiver;
  for (uint64_t answered = 0; answered < packets;) {
    guest.rx().Await();
    receiver.Take(guest.rx());
    guest.rx().Publish();
    while (answered < receiver.packets) PutProbe(guest.tx(), answered++, random, stream);
    guest.tx().Publish();
  }
  receiver.CheckClean();
}

/// Sends bursts that fit the answerer's ring, and waits for the answers to each.
inline void Ask(Guest& guest, uint64_t packets, Random random, Stream stream) {
  Receiver receiver;
  for (uint64_t asked = 0; asked < packets;) {
    for (uint32_t burst = 1 + random.Below(guest.tx().num_slots - 1); burst > 0 && asked < packets; burst--)
      PutProbe(guest.tx(), asked++, random, stream);
    guest.tx().Publish();
    Receive(guest.rx(), receiver, asked, random.Split());
  }
  CHECK_EQ(receiver.packets, packets);
  receiver.CheckClean();
}

/// A null port with its guest.
struct NullRig {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<NullPort> port;
  Guest guest;

  NullRig(std::shared_ptr<Engine> e, uint32_t slots, AttachOptions options, SourceConfig source = {},
          const char* name = "null:t")
      : engine(e) {
    CHECK_OK(NullPort::Create(MakeRegion(), stats, {name, 1, 1, slots, slots, 0}, &port));
    port->sink(0).set_verify(Payload::kFull);
    port->source(0).Configure(source);
    Attach(options);
  }
  void Attach(AttachOptions options) {
    guest.Attach(engine, *port, options);
    guest.EnableInterrupts();
  }
  RingCounters& tx() { return *port->tx(0).counters; }
  RingCounters& rx() { return *port->rx(0).counters; }
  /// What the sink has seen, when nothing is on its way.
  void CheckSink(uint64_t packets) {
    engine->Synchronize();
    CHECK_EQ(tx().packets, packets);
    CHECK_EQ(tx().lost + tx().late + tx().corrupt + tx().bad_index, 0u);
  }
};

/// A source of checked packets.
inline SourceConfig Source(uint64_t packets, uint64_t rate = 0) {
  SourceConfig config;
  config.packets = packets;
  config.payload = Payload::kFull;
  config.rate = rate;
  return config;
}

/// A pipe with a guest at each end.
struct PipeRig {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<PipePair> pair;
  Guest a, b;  // master, slave

  PipeRig(std::shared_ptr<Engine> e, uint32_t slots, AttachOptions master, AttachOptions slave) : engine(e) {
    CHECK_OK(PipePair::Create(MakeRegion(), stats, {"p{1", 1, 1, slots, slots, 0}, "p}1", &pair));
    AttachA(master);
    AttachB(slave);
  }
  void AttachA(AttachOptions options) { Attach(a, pair->master(), options); }
  void AttachB(AttachOptions options) { Attach(b, pair->slave(), options); }

 private:
  void Attach(Guest& guest, Port& port, AttachOptions options) {
    guest.Attach(engine, port, options);
    guest.EnableInterrupts();
  }
};

/// Probes from the master's guest of a pipe to the slave's, a thread each; over when all have come, whole and in order.
class PipeTraffic {
 public:
  PipeTraffic(PipeRig& rig, uint64_t packets, Random& random)
      : sender_([&rig, packets, r = random.Split()]() mutable { Send(rig.a.tx(), 0, packets, r); }),
        receiver_([this, &rig, packets, r = random.Split()]() mutable {
          Receiver got;
          Receive(rig.b.rx(), got, packets, r);
          got.CheckClean();
          over_ = true;
        }) {}
  bool over() const { return over_; }
  void Join() {
    sender_.join();
    receiver_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread sender_, receiver_;
};

/// A VALE port with its guest.
struct ValeRig {
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<ValePort> port;
  Guest guest;

  ValeRig(std::shared_ptr<Engine> engine, std::shared_ptr<ValeSwitch> sw, uint32_t slots, AttachOptions options) {
    CHECK_OK(ValePort::Create(MakeRegion(), stats, {"vale0:t", 1, 1, slots, slots, 0}, sw, &port));
    guest.Attach(engine, *port, options);
    guest.EnableInterrupts();
  }
  RingCounters& tx() { return *port->tx(0).counters; }
  RingCounters& rx() { return *port->rx(0).counters; }
  uint64_t rx_drops() {
    uint64_t sum = 0;
    for (uint64_t drops : rx().drops) sum += drops;
    return sum;
  }
};

/// Eventfds that a guest kicks with, instead of calls.
struct Doorbells {
  std::vector<int> fds;

  explicit Doorbells(Guest& guest) {
    for (GuestRing& ring : guest.rings) {
      fds.push_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
      ring.doorbell = fds.back();
    }
    CHECK_OK(guest.attachment->SetDoorbells(fds));
  }
  ~Doorbells() {
    for (int fd : fds) close(fd);
  }
};

/// Runs traffic over a pipe, to a sink and from a source, while `disturb` is called with each of their guests in turn.
template <class Disturb>
void UnderTraffic(std::shared_ptr<Engine> engine, Random& random, bool doorbells, uint64_t packets, Disturb disturb) {
  NullRig null(engine, 16, Served(Policy::kNotify), Source(packets));
  PipeRig pipe(engine, 8, Served(Policy::kAdaptive), Served(Policy::kAdaptive));
  Guest* guests[] = {&null.guest, &pipe.a, &pipe.b};
  std::vector<std::unique_ptr<Doorbells>> bells;
  for (Guest* guest : guests)
    if (doorbells) bells.push_back(std::make_unique<Doorbells>(*guest));
  std::atomic<int> running{3};
  auto run = [&](auto body) {
    return std::thread([&running, body, r = random.Split()]() mutable {
      body(r);
      running--;
    });
  };
  std::thread threads[] = {
      run([&](Random& r) {
        Send(null.guest.tx(), 0, packets, r);
        Drain(null.guest.tx());
      }),
      run([&](Random& r) {
        Receiver receiver;
        Receive(null.guest.rx(), receiver, packets, r);
        receiver.CheckClean();
      }),
      run([&](Random& r) {
        std::thread answerer([&, s = r.Split()]() mutable { Answer(pipe.b, packets / 4, s, {1}); });
        Ask(pipe.a, packets / 4, r, {0});
        answerer.join();
      })};
  for (size_t i = 0; running > 0; i = (i + 1) % 3) disturb(*guests[i]);
  for (std::thread& thread : threads) thread.join();
  null.CheckSink(packets);
  CHECK_EQ(null.rx().packets, packets);
}

}  // namespace ptnet::test
