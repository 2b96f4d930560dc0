// Calling JavaScript from the event loop, also while the environment is being terminated and refuses to run any.
#pragma once

#include <napi.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "os/peer_fd.h"

namespace ptnet::addon {

// Each returns nullptr when the environment no longer creates values.
napi_value NewBytes(napi_env env, std::span<const uint8_t> bytes);
napi_value NewNumber(napi_env env, double number);

/** An array of descriptor numbers; once a function was called with it, the caller releases them: JavaScript owns them.
 */
napi_value NewFds(napi_env env, const std::vector<os::PeerFd>& fds);

/**
 * Calls `function`; what it throws becomes an uncaught exception. Does nothing when an argument is nullptr or the
 * environment refuses. Returns whether the function was entered.
 */
bool CallJs(napi_env env, napi_value function, std::initializer_list<napi_value> arguments);

}  // namespace ptnet::addon
