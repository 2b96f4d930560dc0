// Packets with descriptors: whole or not at all, within their time, and nothing left open of what is refused.
#include "os/packet_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "check.h"
#include "open_fds.h"
#include "os/socket.h"

namespace ptnet::os {
namespace {

struct Pair {
  UniqueFd a, b;
  explicit Pair(int type = SOCK_SEQPACKET) {
    int fds[2];
    CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    a = UniqueFd(fds[0]);
    b = UniqueFd(fds[1]);
  }
};

const std::vector<uint8_t> kWord{1, 2, 3};

void PacketsComeWhole() {
  Pair pair;
  UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const std::vector<uint8_t> large(kPacketBytesMax, 7);
  const std::vector<int> fds(kMaxScmFds, event.get());
  CHECK(!SendPacket(pair.a.get(), kWord, {}, 0));
  CHECK(!SendPacket(pair.a.get(), large, fds, 0));
  Packet packet;
  CHECK(!ReceivePacket(pair.b.get(), 0, &packet));
  CHECK(packet.bytes == kWord && packet.fds.empty());
  CHECK(!ReceivePacket(pair.b.get(), 0, &packet));
  CHECK(packet.bytes == large);
  CHECK_EQ(packet.fds.size(), static_cast<size_t>(kMaxScmFds));
  CHECK(fcntl(packet.fds[0].get(), F_GETFD) == FD_CLOEXEC);
  pair.a.Reset();
  CHECK(!ReceivePacket(pair.b.get(), 0, &packet));
  CHECK(packet.bytes.empty() && packet.fds.empty());
}

void TimesEnd() {
  Pair pair;
  Packet packet;
  CHECK_EQ(ReceivePacket(pair.b.get(), 0, &packet).number, ETIMEDOUT);
  CHECK_EQ(ReceivePacket(pair.b.get(), 20, &packet).number, ETIMEDOUT);
  const std::vector<uint8_t> large(kPacketBytesMax, 7);
  Error error;
  for (int i = 0; i < 1000 && !error; i++) error = SendPacket(pair.a.get(), large, {}, 5);
  CHECK_EQ(error.number, ETIMEDOUT);
  pair.b.Reset();
  // First that what was sent has not been read, then that nobody is there.
  CHECK_EQ(SendPacket(pair.a.get(), kWord, {}, 5).number, ECONNRESET);
  CHECK_EQ(SendPacket(pair.a.get(), kWord, {}, 5).number, EPIPE);
}

void WhatIsNoneIsRefused() {
  Pair pair;
  UniqueFd event(eventfd(0, EFD_CLOEXEC));
  CHECK_EQ(SendPacket(pair.a.get(), {}, {}, 0).number, EMSGSIZE);
  CHECK_EQ(SendPacket(pair.a.get(), std::vector<uint8_t>(kPacketBytesMax + 1), {}, 0).number, EMSGSIZE);
  CHECK_EQ(SendPacket(pair.a.get(), kWord, std::vector<int>(kMaxScmFds + 1, event.get()), 0).number, EMSGSIZE);
  CHECK_EQ(SendPacket(pair.a.get(), kWord, std::vector<int>{-1}, 0).number, EBADF);
  CHECK_EQ(SendPacket(event.get(), kWord, {}, 0).number, ENOTSOCK);
  Packet packet;
  CHECK_EQ(ReceivePacket(event.get(), 0, &packet).number, ETIMEDOUT);
  // Longer than any of ours, with a descriptor, which is closed.
  const int most = 1 << 20;
  CHECK(setsockopt(pair.a.get(), SOL_SOCKET, SO_SNDBUF, &most, sizeof most) == 0);
  const size_t before = OpenFds();
  std::vector<uint8_t> longer(kPacketBytesMax + 1);
  iovec part{longer.data(), longer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = event.get();
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK(sendmsg(pair.a.get(), &message, 0) == static_cast<ssize_t>(longer.size()));
  CHECK_EQ(ReceivePacket(pair.b.get(), 0, &packet).number, EMSGSIZE);
  CHECK(packet.fds.empty());
  CHECK_EQ(OpenFds(), before);
}

/// What was sent before an end is read before it, also when that end has left something unread.
void TheLastWordIsHeard() {
  Pair pair;
  CHECK(!SendPacket(pair.b.get(), kWord, {}, 0));
  CHECK(!SendPacket(pair.a.get(), kWord, {}, 0));
  pair.a.Reset();
  Packet packet;
  CHECK(!ReceivePacket(pair.b.get(), 0, &packet));
  CHECK(packet.bytes == kWord);
  CHECK(!ReceivePacket(pair.b.get(), 0, &packet));
  CHECK(packet.bytes.empty());
}

void WhoConnects() {
  const std::string path = "/tmp/ptnet-packets." + std::to_string(getpid());
  UniqueFd client, server, listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  CHECK_EQ(ConnectPackets(path, &client).number, ENOENT);
  CHECK_EQ(ConnectPackets("", &client).number, ENAMETOOLONG);
  CHECK_EQ(ConnectPackets(std::string(108, 'x'), &client).number, ENAMETOOLONG);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  CHECK(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK_EQ(ConnectPackets(path, &client).number, ECONNREFUSED);
  CHECK(listen(listener.get(), 1) == 0);
  CHECK_EQ(AcceptPackets(listener.get(), &server).number, EAGAIN);
  CHECK(!ConnectPackets(path, &client));
  CHECK(!AcceptPackets(listener.get(), &server));
  CHECK(!SendPacket(client.get(), kWord, {}, 0));
  Packet packet;
  CHECK(!ReceivePacket(server.get(), 0, &packet));
  CHECK(packet.bytes == kWord);
  unlink(path.c_str());
}

void Main() {
  const size_t before = OpenFds();
  PacketsComeWhole();
  TimesEnd();
  WhatIsNoneIsRefused();
  TheLastWordIsHeard();
  WhoConnects();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet::os

int main() { ptnet::os::Main(); }
