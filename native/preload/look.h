// The parts of waiting: what is there for a program on a descriptor of ours, and being woken when something comes.
#pragma once

#include <time.h>

#include "context.h"

namespace ptnet::preload {

/// netmap's poll: syncs what is asked for, events as poll has them, and says what is there; POLLERR before a register,
/// after the host has gone, and when a ring's indices were wrong.
short Look(int fd, Context& context, short events);
/// The host writes a byte when something comes. False: it has come meanwhile, and nobody need wait.
bool ArmRings(Context& context, short events);
void DisarmRings(Context& context, short events);
/// After the descriptor was found readable: takes the host's byte, or its hang-up. A byte that is left costs a look at
/// the rings.
void TakeByte(int fd, Context& context);

timespec Deadline(const timespec& timeout);
/// Monotonic time that is left until `deadline`; zero when it has passed.
timespec Left(const timespec& deadline);

}  // namespace ptnet::preload
