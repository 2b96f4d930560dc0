// EventSignaller: a poll of a descriptor that is ready, with the eventfd to tell.
#include "os/event_signaller.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace ptnet::os {

namespace {

constexpr uint32_t kOperations = 32;

}  // namespace

EventSignaller::~EventSignaller() {
  if (context_ != 0) syscall(SYS_io_destroy, context_);
  if (ready_fd_ >= 0) close(ready_fd_);
}

EventSignaller& EventSignaller::OfThisThread() {
  static thread_local EventSignaller signaller;
  static thread_local const bool opened = signaller.Open();
  (void)opened;
  return signaller;
}

bool EventSignaller::Open() {
  if (context_ != 0) return true;
  if (ready_fd_ < 0) ready_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return ready_fd_ >= 0 && syscall(SYS_io_setup, kOperations, &context_) == 0;
}

bool EventSignaller::Signal(int eventfd) {
  if (context_ == 0) return false;
  if (finished_ == kOperations) Reap();
  iocb operation = {};
  operation.aio_lio_opcode = IOCB_CMD_POLL;
  operation.aio_fildes = static_cast<uint32_t>(ready_fd_);
  operation.aio_buf = POLLOUT;
  operation.aio_flags = IOCB_FLAG_RESFD;
  operation.aio_resfd = static_cast<uint32_t>(eventfd);
  iocb* operations[] = {&operation};
  if (syscall(SYS_io_submit, context_, 1, operations) != 1) return false;
  finished_++;
  return true;
}

void EventSignaller::Reap() {
  io_event events[kOperations];
  timespec none = {};
  if (syscall(SYS_io_getevents, context_, 0, kOperations, events, &none) > 0) finished_ = 0;
}

bool SendWake(int socket) noexcept {
  const uint8_t byte = 0;
  (void)send(socket, &byte, sizeof byte, MSG_DONTWAIT | MSG_NOSIGNAL);
  return true;
}

}  // namespace ptnet::os
