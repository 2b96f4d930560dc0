// Calling JavaScript from the event loop, also while the environment is being terminated and refuses to run any.
#include "addon/call.h"

#include <cstring>

namespace ptnet::addon {

// The raw interface on purpose: the wrappers of napi.h answer a refusal with a fatal error.

napi_value NewBytes(napi_env env, std::span<const uint8_t> bytes) {
  void* data = nullptr;
  napi_value buffer;
  napi_value view;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!bytes.empty()) memcpy(data, bytes.data(), bytes.size());
  if (napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &view) != napi_ok) return nullptr;
  return view;
}

napi_value NewNumber(napi_env env, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok ? value : nullptr;
}

napi_value NewFds(napi_env env, const std::vector<os::PeerFd>& fds) {
  napi_value array;
  if (napi_create_array_with_length(env, fds.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < fds.size(); ++i) {
    napi_value number = NewNumber(env, fds[i].get());
    if (number == nullptr || napi_set_element(env, array, i, number) != napi_ok) return nullptr;
  }
  return array;
}

bool CallJs(napi_env env, napi_value function, std::initializer_list<napi_value> arguments) {
  if (function == nullptr) return false;
  for (const napi_value argument : arguments)
    if (argument == nullptr) return false;
  napi_value global;
  if (napi_get_global(env, &global) != napi_ok) return false;
  napi_value result;
  const napi_status status =
      napi_make_callback(env, nullptr, global, function, arguments.size(), arguments.begin(), &result);
  if (status == napi_ok) return true;
  bool pending = false;
  napi_value thrown;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return false;
  if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
  return true;
}

}  // namespace ptnet::addon
