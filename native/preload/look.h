// The parts of waiting: what is there for a program on a descriptor of ours, and being woken when something comes.
#pragma once

#include <time.h>

#include "context.h"

namespace ptnet::preload {

/// netmap's poll: syncs what is asked for, events as poll has them, and says what is there; POLLERR before a register,
/// after the host has gone, and when a ring's indices were wrong.
short Look(int fd, Context& context, short events);
/// One that sleeps until the host writes a byte, as it does when something comes.
class Sleeper {
 public:
  /// False: it has come meanwhile. Either way GetUp() follows. `events` may change until then, and the descriptor too.
  bool LieDown(int fd, Context& context, short events);
  /// @param readable whether the byte was there: the last one of those that sleep takes it, so that all are woken.
  /// @return whether it was left for others.
  bool GetUp(Context& context, bool readable);
  /// When it was left: counts a pause for the others, who are not waited for any longer when there were enough.
  /// @return how many there were.
  int Wait(Context& context);
  int fd() const { return fd_; }
  /// Whether it has lain down on what `context` is.
  bool IsOn(const Context& context) const { return context_ == &context; }
  bool left() const { return left_; }

 private:
  Context* context_ = nullptr;
  int fd_ = -1;
  short events_ = 0;
  bool asleep_ = false, left_ = false;
};
/// Somebody who does not sleep has found the byte: it is taken if nobody sleeps.
void TakeStray(int fd, Context& context);
/// Takes the host's byte, or its hang-up. A byte that is left costs a look at the rings.
void TakeByte(int fd, Context& context);

timespec Deadline(const timespec& timeout);
/// Monotonic time that is left until `deadline`; zero when it has passed.
timespec Left(const timespec& deadline);

}  // namespace ptnet::preload
