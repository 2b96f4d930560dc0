// Store: a table of descriptors and names, put where a new host looks for them, or sent to one that waits.
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace ptnet::guard {

bool Store::IsName(const char* name) {
  const size_t length = strlen(name);
  if (length == 0 || length > kNameMax) return false;
  for (const char* c = name; *c != '\0'; c++)
    if (*c < ' ' || *c > '~' || *c == ':') return false;
  return true;
}

const char* Store::Add(const int* fds, uint32_t count, const char* name) {
  const auto length = static_cast<uint32_t>(strlen(name)) + 1;
  if (count == 0) return "FDSTORE=1 without descriptors";
  if (count > fds_max - count_) return "more descriptors than are kept";
  if (count * length > kNamesMax - names_bytes_) return "longer names than can be given back";
  for (uint32_t i = 0; i < count; i++) {
    stored_[count_].fd = fds[i];
    memcpy(stored_[count_++].name, name, length);
  }
  names_bytes_ += count * length;
  return nullptr;
}

void Store::Remove(const char* name) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count_; i++) {
    if (strcmp(stored_[i].name, name) != 0)
      stored_[kept++] = stored_[i];
    else
      close(stored_[i].fd);
  }
  names_bytes_ -= (count_ - kept) * (static_cast<uint32_t>(strlen(name)) + 1);
  count_ = kept;
}

bool Store::Place() {
  const int end = kFirstFd + static_cast<int>(count_);
  for (uint32_t i = 0; i < count_; i++) {
    if (stored_[i].fd >= end) continue;
    const int above = fcntl(stored_[i].fd, F_DUPFD_CLOEXEC, end);
    if (above < 0) return false;
    close(stored_[i].fd);
    stored_[i].fd = above;
  }
  // Without FD_CLOEXEC; the one above has it.
  for (uint32_t i = 0; i < count_; i++)
    if (dup2(stored_[i].fd, kFirstFd + static_cast<int>(i)) < 0) return false;
  return true;
}

const char* Store::Names() { return Names(0, count_); }

const char* Store::Names(uint32_t from, uint32_t to) {
  char* end = names_;
  *end = '\0';
  for (uint32_t i = from; i < to; i++) end = stpcpy(stpcpy(end, i > from ? ":" : ""), stored_[i].name);
  return names_;
}

bool Store::Send(int socket) {
  for (uint32_t i = 0; i < count_; i += kMessageFdsMax)
    if (!SendSome(socket, i, std::min(i + kMessageFdsMax, count_))) return false;
  // The last one has none.
  return SendSome(socket, count_, count_);
}

bool Store::SendSome(int socket, uint32_t from, uint32_t to) {
  const uint32_t count = to - from;
  alignas(cmsghdr) char control[CMSG_SPACE(kMessageFdsMax * sizeof(int))] = {};
  char end[] = "end";
  char* const text = count > 0 ? const_cast<char*>(Names(from, to)) : end;
  iovec bytes{text, strlen(text)};
  msghdr message{nullptr, 0, &bytes, 1, nullptr, 0, 0};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    int fds[kMessageFdsMax];
    for (uint32_t i = 0; i < count; i++) fds[i] = stored_[from + i].fd;
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace ptnet::guard
