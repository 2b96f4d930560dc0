// The options of startLoop() and startDuo(), read from JavaScript and checked before anything runs.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"
#include "doorbell.h"

namespace ptnet::guest {

struct StartOptions {
  std::string name;  // how messages about them begin
  PortLayout layout = {};
  LoopConfig config;               // without its rings
  std::vector<uint32_t> tx_rings;  // which to use
  std::vector<uint32_t> rx_rings;
  int netmap = -1;  // of /dev/netmap; there is no doorbell then, and no interrupt
  VfioUserDoorbell::Target doorbell;
  std::vector<int> interrupts;  // one per ring, TX first; empty: none
  uint64_t yield_after = 32;    // fruitless passes
};

/// @return false with a JavaScript exception pending when `value` does not describe a loop that can run.
bool ReadOptions(Napi::Env env, const Napi::Value& value, StartOptions& options);

/// The same for two loops that take turns, one that pings and one that echoes.
bool ReadDuo(Napi::Env env, const Napi::Value& ping, const Napi::Value& echo, std::vector<StartOptions>& options);

}  // namespace ptnet::guest
