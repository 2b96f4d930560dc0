// The door of applications that another process goes on with: who comes meanwhile waits, and comes in there.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>

#include "application/door.h"
#include "eventually.h"
#include "open_fds.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Counting : DoorSink {
  std::atomic<uint32_t> connects{0};
  void OnConnect(uint32_t, const Credentials&) override { connects++; }
  void OnMessage(std::unique_ptr<DoorMessage>) override {}
  void OnDisconnect(uint32_t, int) override {}
};

os::UniqueFd Dial(const std::string& path) {
  os::UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  strcpy(address.sun_path, path.c_str());
  CHECK_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void AnotherDoorGoesOn() {
  const std::string path = "/tmp/ptnet-adopt-door." + std::to_string(getpid());
  Counting here, there;
  std::unique_ptr<Door> door, next;
  CHECK(!Door::Open(path, 0600, &here, &door));
  const os::UniqueFd inside = Dial(path);
  Eventually("a connection", [&] { return here.connects == 1 && door->size() == 1; });
  door->Pause();
  door->Pause();
  const os::UniqueFd waits = Dial(path);
  usleep(20'000);
  CHECK_EQ(door->size(), 1u);
  CHECK(!Door::Adopt(path, door->listener(), &there, &next));
  next->CountOn({7, 6, 5, 4, 3});
  CHECK_EQ(next->size(), 0u);
  next->Resume();
  next->Resume();
  Eventually("the one that waited", [&] { return there.connects == 1 && next->size() == 1; });
  CHECK_EQ(next->counters().connections.load(), 8u);
  CHECK_EQ(next->counters().messages.load(), 3u);
  // It may also come to nothing.
  next->Pause();
  door->Resume();
  const os::UniqueFd comes = Dial(path);
  Eventually("another one", [&] { return here.connects == 2 && door->size() == 2; });
  const os::UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC)),
      stream(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {-1, null.get(), stream.get(), inside.get()}) {
    std::unique_ptr<Door> none;
    CHECK(Door::Adopt(path, fd, &there, &none));
    CHECK(none == nullptr);
  }
  CHECK_EQ(access(path.c_str(), F_OK), 0);
  door->Stop();
  door->Resume();
  CHECK(access(path.c_str(), F_OK) != 0);
}

}  // namespace

int main() {
  const size_t before = OpenFds();
  AnotherDoorGoesOn();
  Eventually("all descriptors closed", [&] { return OpenFds() == before; });
}
