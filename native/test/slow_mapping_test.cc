// Guest memory of huge pages, whose file keeps whoever maps it waiting: nobody waits longer than his patience, and what
// comes too late is undone.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>

#include "check.h"
#include "memory/guest_window.h"
#include "os/peer_fd.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr auto kPatience = std::chrono::milliseconds(20);

int huge_fd = -1;  // what is on hugetlbfs, as far as anybody is told

int Mappings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("huge-guest") != std::string::npos;
  return count;
}

}  // namespace

extern "C" int fstatfs(int fd, struct statfs* out) noexcept {
  const auto result = static_cast<int>(syscall(SYS_fstatfs, fd, out));
  if (fd == huge_fd) out->f_type = 0x958458f6;
  return result;
}

int main() {
  const os::PeerId peer = os::NewPeer();
  huge_fd = memfd_create("huge-guest", MFD_CLOEXEC);
  CHECK(huge_fd >= 0 && ftruncate(huge_fd, 8192) == 0);
  os::AdoptPeerFd(huge_fd, peer);
  std::unique_ptr<GuestWindow> window;

  // In time.
  auto patience = std::chrono::milliseconds(60'000);
  CHECK_OK(GuestWindow::Map(huge_fd, 64, 128, &patience, &window));
  CHECK_EQ(patience.count(), 60'000);
  window->data()[0] = 7;
  uint8_t seen = 0;
  CHECK(pread(huge_fd, &seen, 1, 64) == 1 && seen == 7);
  window.reset();

  // Not in time: the thread that does what may wait for this peer does wait.
  std::atomic<bool> hold{true};
  CHECK(os::DoElsewhere(peer, [&] {
    while (hold) usleep(100);
  }));
  patience = kPatience;
  for (int i = 1; i <= 6; i++) {
    CHECK_EQ(GuestWindow::Map(huge_fd, 64, 128, &patience, &window).err, EAGAIN);
    CHECK(!window);
    CHECK_EQ(patience.count(), std::max(kPatience.count() >> i, 1l));
  }
  hold = false;
  os::AwaitPeerCloses();
  CHECK_EQ(Mappings(), 0);
  CHECK_EQ(os::HeldPeerFds(peer), 1u);

  patience = std::chrono::milliseconds(60'000);
  CHECK_OK(GuestWindow::Map(huge_fd, 64, 128, &patience, &window));
  CHECK_EQ(Mappings(), 1);
  // What cannot be mapped is said as it is.
  std::unique_ptr<GuestWindow> other;
  CHECK_EQ(GuestWindow::Map(huge_fd, uint64_t{1} << 63, 128, &patience, &other).err, EOVERFLOW);
}
