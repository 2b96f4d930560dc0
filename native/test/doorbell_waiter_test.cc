// Doorbells that are eventfds: a client can make watching one take as long as it likes, and nobody else waits for that.
#include "datapath/doorbell_waiter.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <filesystem>

#include "traffic.h"

namespace {

/// To add or to remove this descriptor takes as long as it is set, as if a client signalled it all the time with a
/// million epoll sets waiting.
std::atomic<bool> hold{false};
std::atomic<int> held{0};
std::atomic<uint64_t> slow_id{0};

/// Which eventfd it is, whatever its number; 0 when it is none.
uint64_t IdOf(int fd) {
  char path[64], line[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE* info = fopen(path, "r");
  unsigned long long id = 0;
  while (info != nullptr && fgets(line, sizeof line, info) != nullptr)
    if (sscanf(line, "eventfd-id: %llu", &id) == 1) break;
  if (info != nullptr) fclose(info);
  return id;
}

}  // namespace

extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (hold && IdOf(fd) == slow_id) {
    held++;
    while (hold) usleep(100);
    held--;
  }
  return static_cast<int>(syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Bell {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  ~Bell() { close(fd); }
  void Ring() {
    const uint64_t one = 1;
    CHECK(write(fd, &one, sizeof one) == sizeof one);
  }
};

class Rung : public DoorbellTarget {
 public:
  Worker* Ring(uint32_t ring) noexcept override {
    counts[ring]++;
    return nullptr;
  }
  uint32_t rings() const noexcept override { return 2; }
  std::atomic<uint64_t> counts[2] = {};
};

std::vector<os::PeerFd> Copies(std::initializer_list<int> fds) {
  std::vector<os::PeerFd> own;
  for (int fd : fds) own.emplace_back(fd < 0 ? -1 : os::DupPeerFd(fd));
  return own;
}

void EachRingsItsRing() {
  DoorbellWaiter waiter;
  Bell a, b;
  auto target = std::make_shared<Rung>();
  b.Ring();  // from before
  CHECK(waiter.Set(Copies({a.fd, b.fd}), target));
  Eventually("what was signalled before", [&] { return target->counts[1] == 1; });
  for (uint64_t i = 1; i <= 20; i++) {
    a.Ring();
    Eventually("a ring", [&] { return target->counts[0] == i; });
  }
  auto next = std::make_shared<Rung>();
  CHECK(waiter.Set(Copies({-1, a.fd}), next));
  Eventually("the other ring", [&] { return next->counts[1] >= 1; });
  b.Ring();
  a.Ring();
  Eventually("the other ring", [&] { return next->counts[1] >= 2; });
  CHECK_EQ(target->counts[0].load(), 20u);
  CHECK_EQ(target->counts[1].load(), 1u);
  CHECK_EQ(next->counts[0].load(), 0u);
  // Its target goes: that keeps nothing and rings nobody.
  std::weak_ptr<Rung> gone = next;
  next.reset();
  Eventually("the target is let go", [&] { return gone.expired(); });
  a.Ring();
}

/// Which it may have for as long as it likes: neither who serves nor who attaches and detaches waits.
void OneThatCannotBeWatchedHoldsUpNobody() {
  auto engine = MakeEngine();
  NullRig bad(engine, 64, {.policy = Policy::kNotify});
  NullRig good(engine, 64, {.policy = Policy::kNotify}, {}, "null:good");
  Bell slow, other;
  slow_id = IdOf(slow.fd);
  hold = true;
  for (int i = 0; i < 100; i++) {
    CHECK_OK(bad.guest.attachment->SetDoorbells({slow.fd, -1}));
    if (i == 0) Eventually("a watch that waits", [] { return held == 1; });
    bad.guest.Detach();
    bad.Attach({.policy = Policy::kNotify});
  }
  CHECK_EQ(held.load(), 1);
  CHECK_OK(good.guest.attachment->SetDoorbells({other.fd, -1}));
  good.guest.tx().doorbell = other.fd;
  Random random("doorbell_waiter");
  Send(good.guest.tx(), 0, 1000, random.Split());
  Drain(good.guest.tx());
  good.CheckSink(1000);
  CHECK_OK(bad.guest.attachment->SetDoorbells({slow.fd, -1}));
  hold = false;
  bad.guest.tx().doorbell = slow.fd;
  Send(bad.guest.tx(), 0, 100, random.Split());
  Drain(bad.guest.tx());
  bad.CheckSink(100);
  hold = true;
  bad.guest.Detach();
  Eventually("a watch that waits", [] { return held == 1; });
  bad.Attach({.policy = Policy::kNotify});
  hold = false;
}

/// Descriptors of this process that are of the same eventfd.
int CopiesOf(const Bell& bell) {
  int copies = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    copies += IdOf(std::stoi(entry.path().filename())) == IdOf(bell.fd);
  return copies;
}

/// Duplicates that are replaced, or whose attachment ends, are closed, by whoever watched them.
void NoneIsLeftOpen() {
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kNotify});
  Bell a, b;
  for (int round = 0; round < 10; round++) {
    CHECK_OK(rig.guest.attachment->SetDoorbells({a.fd, b.fd}));
    CHECK_OK(rig.guest.attachment->SetDoorbells({a.fd, -1}));
    CHECK_OK(rig.guest.attachment->SetDoorbells({b.fd, a.fd}));
    Eventually("what is set now, and nothing else", [&] { return CopiesOf(a) == 2 && CopiesOf(b) == 2; });
    rig.guest.Detach();
    Eventually("none", [&] { return CopiesOf(a) == 1 && CopiesOf(b) == 1; });
    rig.Attach({.policy = Policy::kNotify});
  }
}

}  // namespace

int main() {
  EachRingsItsRing();
  NoneIsLeftOpen();
  OneThatCannotBeWatchedHoldsUpNobody();
  os::AwaitPeerCloses();
}
