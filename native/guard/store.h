// What a host has stored: descriptors by name, in the order in which they came. One name may have several.
#pragma once

#include <stdint.h>

namespace ptnet::guard {

inline constexpr int kFirstFd = 3;  // SD_LISTEN_FDS_START
inline constexpr uint32_t kFdsMost = 16'384;
inline constexpr uint32_t kNameMax = 63;
inline constexpr uint32_t kNamesMax = 120 * 1024;  // the kernel takes no string of the environment beyond 128 KiB
inline constexpr uint32_t kMessageFdsMax = 253;    // SCM_MAX_FD: the kernel sends no more at once

class Store {
 public:
  uint32_t count() const { return count_; }
  /// As systemd has it: printable, and without what parts names.
  static bool IsName(const char* name);
  /// All of them, which are the store's then, or none. nullptr, or why not.
  const char* Add(const int* fds, uint32_t count, const char* name);
  void Remove(const char* name);

  /// Puts all of them where a host looks for them (sd_listen_fds(3)), in a process that is to become one.
  bool Place();
  /// Their names, as LISTEN_FDNAMES has them; until it is called again.
  const char* Names();
  /// Sends all of them, with their names, to a process that waits for them at the other end of a socket of packets;
  /// false with errno.
  bool Send(int socket);

  uint64_t fds_max = kFdsMost;

 private:
  struct Stored {
    int fd;
    char name[kNameMax + 1];
  };

  /// Of [from, to).
  const char* Names(uint32_t from, uint32_t to);
  bool SendSome(int socket, uint32_t from, uint32_t to);

  Stored stored_[kFdsMost];
  uint32_t count_ = 0;
  uint32_t names_bytes_ = 0;  // with what parts them
  char names_[kNamesMax + 1];
};

}  // namespace ptnet::guard
