// The agent's commands: each takes its command line and returns the one JSON object that answers it.
#pragma once

#include <string>

#include "args.h"
#include "core/config.h"
#include "driver.h"
#include "json.h"
#include "msix.h"

namespace ptnet::agent {

inline constexpr uint64_t kTimeoutSeconds = 240;

Json Traffic(Args& args);  // send, receive, echo, duplex
Json Info(Args& args);
Json Poke(Args& args);
Json Cycle(Args& args);
Json Down(Args& args);
Json Overlook(Args& args);
Json Abuse(Args& args);

/// Runs the command of any name.
Json Dispatch(Args& args);
/// Takes every device back from a command that died: nothing may go on writing into its memory.
void StopAllDevices();

inline Json Failure(const std::string& op, const std::string& error) {
  return Json().Set("op", op).Set("ok", false).Set("error", error);
}

/// Runs a loop over rings that Driver::Start() has opened; with `msix` it waits for interrupts.
guest::LoopResult RunLoop(Driver& driver, guest::LoopConfig& config, guest::LoopControl& control, Msix* msix);
/// Sends `count` packets on every TX ring, for a second at most. What the host has not taken is in the result.
guest::LoopResult SendSome(Driver& driver, uint64_t count);

/// Writes `line` to the console in one piece, on a line of its own whatever the kernel prints at the same time.
void PrintLine(const std::string& line);
void PrintResult(const Json& json);

/// PID 1's life: prepares the machine, then runs commands from the console, each in a process of its own.
[[noreturn]] void RunAsInit();

}  // namespace ptnet::agent
