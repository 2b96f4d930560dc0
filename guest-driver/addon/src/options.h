// The options of startLoop(), read from JavaScript and checked before anything runs.
#pragma once

#include <napi.h>

#include <cstdint>
#include <vector>

#include "core/config.h"
#include "doorbell.h"

namespace ptnet::guest {

struct StartOptions {
  PortLayout layout = {};
  LoopConfig config;               // without its rings
  std::vector<uint32_t> tx_rings;  // which to use
  std::vector<uint32_t> rx_rings;
  VfioUserDoorbell::Target doorbell;
  std::vector<int> interrupts;  // one per ring, TX first; empty: none
  uint64_t yield_after = 32;    // fruitless passes
};

/// @return false with a JavaScript exception pending when `value` does not describe a loop that can run.
bool ReadOptions(Napi::Env env, const Napi::Value& value, StartOptions& options);

}  // namespace ptnet::guest
