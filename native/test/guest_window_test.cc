// Guest memory that its owner takes away: the window turns into zero pages and the host lives on; a SIGBUS that has
// nothing to do with a window still ends the process.
#include "memory/guest_window.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "check.h"
#include "os/peer_fd.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kPage = 4096;
std::chrono::milliseconds patience{60'000};  // how long one may take is slow_mapping_test's

int MemoryFile(uint64_t size, unsigned flags = 0) {
  int fd = memfd_create("guest_window_test", MFD_CLOEXEC | flags);
  CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) == 0);
  return fd;
}

std::unique_ptr<GuestWindow> Map(int fd, uint64_t offset, uint64_t length) {
  std::unique_ptr<GuestWindow> window;
  CHECK_OK(GuestWindow::Map(fd, offset, length, &patience, &window));
  return window;
}

bool AllZero(const volatile uint8_t* p, uint64_t length) {
  for (uint64_t i = 0; i < length; i++)
    if (p[i] != 0) return false;
  return true;
}

/// Runs `fn` in a child; the signal that ended it, 0 when it returned.
int SignalThatEnds(const std::function<void()>& fn) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    fn();
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void ShowsTheFile() {
  int fd = MemoryFile(4 * kPage);
  CHECK(pwrite(fd, "at an odd place", 15, kPage + 192) == 15);
  auto window = Map(fd, kPage + 192, kPage);
  CHECK(memcmp(window->data(), "at an odd place", 15) == 0);
  window->data()[kPage - 1] = 7;  // on the next page already
  uint8_t back = 0;
  CHECK(pread(fd, &back, 1, 2 * kPage + 191) == 1);
  CHECK_EQ(back, 7u);
  close(fd);
}

void SurvivesTruncation() {
  int fd = MemoryFile(4 * kPage);
  auto first = Map(fd, 64, 3 * kPage), second = Map(fd, 3 * kPage, 64), other = Map(MemoryFile(kPage), 0, 64);
  memset(first->data(), 0xaa, 3 * kPage);
  memset(second->data(), 0xbb, 64);
  other->data()[0] = 0xcc;
  CHECK(!first->lost() && !second->lost());
  CHECK(ftruncate(fd, 0) == 0);
  CHECK(AllZero(first->data(), 3 * kPage));
  CHECK(AllZero(second->data(), 64));
  CHECK_EQ(other->data()[0], 0xccu);
  CHECK(first->lost() && second->lost() && !other->lost());
  // What is written now is ours alone, and stays.
  first->data()[5] = 1;
  CHECK_EQ(first->data()[5], 1u);
  close(fd);
}

void SurvivesTruncationWhileInUse() {
  for (int round = 0; round < 20; round++) {
    int fd = MemoryFile(2 * kPage);
    auto window = Map(fd, 0, 2 * kPage);
    std::atomic<bool> stop{false};
    auto use = [&](uint64_t at) {
      auto& word = *reinterpret_cast<uint32_t*>(window->data() + at);
      while (!stop.load()) std::atomic_ref(word).fetch_add(1, std::memory_order_relaxed);
      for (int i = 0; i < 1000; i++) std::atomic_ref(word).fetch_add(1, std::memory_order_relaxed);
    };
    std::thread a(use, 0), b(use, kPage);
    CHECK(ftruncate(fd, 0) == 0);
    stop = true;
    a.join();
    b.join();
    close(fd);
  }
}

void BeyondTheEndReadsZero() {
  int fd = MemoryFile(kPage);
  auto window = Map(fd, 8 * kPage, 64);
  CHECK(AllZero(window->data(), 64));
  close(fd);
}

/// As a region's is when a huge page is taken out of it and there is no other: zeros, and known as lost.
void ARegionWhosePagesAreGone() {
  int fd = memfd_create("region", MFD_CLOEXEC);
  CHECK(ftruncate(fd, 4 * kPage) == 0);
  auto* p = static_cast<volatile uint8_t*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  {
    SigbusGuard guard;
    CHECK(guard.Watch(const_cast<uint8_t*>(p), 4 * kPage));
    p[0] = 7;
    p[3 * kPage] = 7;
    CHECK(!guard.lost());
    CHECK(ftruncate(fd, kPage) == 0);
    CHECK_EQ(p[3 * kPage], 0);
    CHECK(guard.lost());
    p[2 * kPage] = 9;
    CHECK_EQ(p[2 * kPage], 9);
  }
  munmap(const_cast<uint8_t*>(p), 4 * kPage);
  close(fd);
}

void BadDescriptorsAreRefused() {
  std::unique_ptr<GuestWindow> window;
  CHECK_EQ(GuestWindow::Map(-1, 0, 64, &patience, &window).err, EBADF);
  int event = eventfd(0, EFD_CLOEXEC);
  CHECK_EQ(GuestWindow::Map(event, 0, 64, &patience, &window).err, EINVAL);
  // A file whose pages somebody else has to bring.
  int other = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  CHECK(other >= 0);
  CHECK_EQ(GuestWindow::Map(other, 0, 64, &patience, &window).err, EINVAL);
  close(other);
  int fd = MemoryFile(kPage, MFD_ALLOW_SEALING);
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  CHECK_EQ(GuestWindow::Map(fd, 0, 64, &patience, &window).err, EPERM);
  CHECK(window == nullptr);
  close(event);
  close(fd);
}

/// The table of windows is limited; a window that goes away gives its place back.
void PlacesComeBack() {
  int fd = MemoryFile(kPage);
  for (int round = 0; round < 2; round++) {
    std::vector<std::unique_ptr<GuestWindow>> windows(4096);
    for (auto& window : windows) window = Map(fd, 0, 64);
    std::unique_ptr<GuestWindow> more;
    CHECK_EQ(GuestWindow::Map(fd, 0, 64, &patience, &more).err, ENOSPC);
  }
  close(fd);
}

void SigbusElsewhereStillKills() {
  auto guard = Map(MemoryFile(kPage), 0, 64);  // the handler is there
  CHECK_EQ(SignalThatEnds([] {}), 0);
  CHECK_EQ(SignalThatEnds([] {
             int fd = MemoryFile(kPage);
             auto* p = static_cast<volatile uint8_t*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
             CHECK(ftruncate(fd, 0) == 0);
             p[0] = 1;
           }),
           SIGBUS);
  CHECK_EQ(SignalThatEnds([] { kill(getpid(), SIGBUS); }), SIGBUS);
  // A window that is gone protects nothing any more.
  CHECK_EQ(SignalThatEnds([] {
             int fd = MemoryFile(kPage);
             auto window = Map(fd, 0, 64);
             void* at = window->data();
             window.reset();
             os::AwaitPeerCloses();  // it is unmapped on another thread
             auto* p =
                 static_cast<volatile uint8_t*>(mmap(at, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
             CHECK(ftruncate(fd, 0) == 0);
             p[0] = 1;
           }),
           SIGBUS);
}

void HugePages() {
  constexpr uint64_t kHuge = 2 << 20;
  int fd = memfd_create("guest_window_test", MFD_CLOEXEC | MFD_HUGETLB);
  void* probe = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, kHuge) == 0) probe = mmap(nullptr, kHuge, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (probe == MAP_FAILED) {
    std::printf("guest_window: no huge pages here, so huge pages were not tested\n");
    if (fd >= 0) close(fd);
    return;
  }
  munmap(probe, kHuge);
  auto window = Map(fd, kPage + 64, 4096);
  window->data()[0] = 0xaa;
  CHECK(ftruncate(fd, 0) == 0);
  CHECK(AllZero(window->data(), 4096));
  close(fd);
}

}  // namespace

int main() {
  signal(SIGBUS, SIG_DFL);  // a sanitizer's own handler would turn the signal into an exit code
  // First, because it forks: another thread, such as a closing one, might hold a lock then.
  SigbusElsewhereStillKills();
  ShowsTheFile();
  SurvivesTruncation();
  SurvivesTruncationWhileInUse();
  BeyondTheEndReadsZero();
  ARegionWhosePagesAreGone();
  BadDescriptorsAreRefused();
  PlacesComeBack();
  HugePages();
}
