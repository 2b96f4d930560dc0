// Two kernels, in namespaces a (192.0.2.1) and b (192.0.2.2), that speak to each other through what is tested.
#pragma once

#include <thread>

#include "packet_socket.h"
#include "traffic.h"

namespace ptnet::test {

inline sockaddr_in Address(uint8_t host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(192u << 24 | 2 << 8 | host);
  return address;
}

inline int Open(int type, const sockaddr_in& local) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1, room = 4 << 20;
  const timeval limit{60, 0};
  CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0);
  CHECK(bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0);
  return fd;
}

inline Bytes Noise(size_t size, uint32_t tag) {
  Bytes bytes(size);
  uint32_t x = tag * 2654435761u + 1;
  for (uint8_t& b : bytes) b = static_cast<uint8_t>((x = x * 1664525 + 1013904223) >> 24);
  return bytes;
}

inline void SendAll(int fd, const Bytes& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = send(fd, &bytes[at], bytes.size() - at, 0);
    CHECK(n > 0);
    at += static_cast<size_t>(n);
  }
}

inline void ReceiveAll(int fd, const Bytes& wanted) {
  Bytes got(wanted.size());
  for (size_t at = 0; at < got.size();) {
    const ssize_t n = recv(fd, &got[at], got.size() - at, 0);
    CHECK(n > 0);
    at += static_cast<size_t>(n);
  }
  CHECK(got == wanted);
}

/// One kernel asks the other for a connection; then both send at once.
inline void Tcp(size_t bytes) {
  std::atomic<bool> listening{false};
  auto both_ways = [&](int fd, uint32_t mine, uint32_t theirs) {
    std::thread sender([&] { SendAll(fd, Noise(bytes, mine)); });
    ReceiveAll(fd, Noise(bytes, theirs));
    sender.join();
  };
  std::thread server([&] {
    Within("b", [&] {
      const int fd = Open(SOCK_STREAM, Address(2, 7000));
      CHECK(listen(fd, 1) == 0);
      listening = true;
      const int connection = accept(fd, nullptr, nullptr);
      CHECK(connection >= 0);
      both_ways(connection, 1, 2);
      close(connection);
      close(fd);
    });
  });
  Eventually("a server", [&] { return listening.load(); });
  Within("a", [&] {
    const int fd = Open(SOCK_STREAM, Address(1, 0));
    const sockaddr_in to = Address(2, 7000);
    CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    both_ways(fd, 2, 1);
    close(fd);
  });
  server.join();
}

/// Datagrams of every kind of length, the longer ones in fragments, come back as they went.
inline void Datagrams() {
  constexpr uint32_t kSizes[] = {0, 1, 56, 1000, 1472, 1473, 4000, 8972, 8973, 30'000, 65'000, 65'507};
  std::atomic<bool> bound{false};
  std::thread echo([&] {
    Within("b", [&] {
      const int fd = Open(SOCK_DGRAM, Address(2, 7001));
      bound = true;
      for (size_t i = 0; i < std::size(kSizes); i++) {
        Bytes packet(65'536);
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const ssize_t n = recvfrom(fd, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        CHECK(n >= 0);
        CHECK(sendto(fd, packet.data(), static_cast<size_t>(n), 0, reinterpret_cast<sockaddr*>(&from), size) == n);
      }
      close(fd);
    });
  });
  Eventually("a server", [&] { return bound.load(); });
  Within("a", [&] {
    const int fd = Open(SOCK_DGRAM, Address(1, 7001));
    const sockaddr_in to = Address(2, 7001);
    CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    for (uint32_t size : kSizes) {
      const Bytes sent = Noise(size, size);
      Bytes got(65'536);
      CHECK(send(fd, sent.data(), sent.size(), 0) == static_cast<ssize_t>(sent.size()));
      const ssize_t n = recv(fd, got.data(), got.size(), 0);
      CHECK(n == static_cast<ssize_t>(size));
      got.resize(static_cast<size_t>(n));
      CHECK(got == sent);
    }
    close(fd);
  });
  echo.join();
}

}  // namespace ptnet::test
