// Arguments and errors at the border between JavaScript and C++.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "os/error.h"

namespace ptnet::addon {

/** Throws an error shaped like Node's SystemError; `object` names what the call was about. */
void ThrowErrno(Napi::Env env, os::Error error, const std::string& object);

// Each reads one argument; when it does not fit, throws a TypeError or RangeError that names it and returns false.
bool GetInteger(Napi::Value value, const char* name, int64_t min, int64_t max, int64_t* out);
bool GetFd(Napi::Value value, int* out);
bool GetFds(Napi::Value value, std::vector<int>* out);
bool GetString(Napi::Value value, const char* name, std::string* out);
bool GetFunction(Napi::Value value, const char* name, Napi::Function* out);

/** `value[key]`, or undefined when `value` is no object. */
Napi::Value GetOption(Napi::Value value, const char* key);

}  // namespace ptnet::addon
