// Arguments and errors at the border between JavaScript and C++.
#include "addon/args.h"

#include <uv.h>

#include <cmath>

#include "os/socket.h"

namespace ptnet::addon {

void ThrowErrno(Napi::Env env, os::Error error, const std::string& object) {
  const std::string code = uv_err_name(-error.number);
  Napi::Error thrown = Napi::Error::New(
      env, std::string(error.syscall) + ": " + code + ": " + uv_strerror(-error.number) + ", " + object);
  thrown.Set("code", Napi::String::New(env, code));
  thrown.Set("errno", Napi::Number::New(env, -error.number));
  thrown.Set("syscall", Napi::String::New(env, error.syscall));
  thrown.ThrowAsJavaScriptException();
}

bool GetInteger(Napi::Value value, const char* name, int64_t min, int64_t max, int64_t* out) {
  const Napi::Env env = value.Env();
  if (!value.IsNumber()) {
    Napi::TypeError::New(env, std::string(name) + ": not a number: an integer is expected")
        .ThrowAsJavaScriptException();
    return false;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  if (std::trunc(number) != number || !(number >= static_cast<double>(min) && number <= static_cast<double>(max))) {
    Napi::RangeError::New(env, std::string(name) + ": out of range: an integer from " + std::to_string(min) + " to " +
                                   std::to_string(max) + " is expected")
        .ThrowAsJavaScriptException();
    return false;
  }
  *out = static_cast<int64_t>(number);
  return true;
}

bool GetFd(Napi::Value value, int* out) {
  int64_t number;
  if (!GetInteger(value, "fd", 0, INT32_MAX, &number)) return false;
  *out = static_cast<int>(number);
  return true;
}

bool GetFds(Napi::Value value, std::vector<int>* out) {
  out->clear();
  if (value.IsUndefined()) return true;
  if (!value.IsArray()) {
    Napi::TypeError::New(value.Env(), "fds: not an array: descriptors are expected").ThrowAsJavaScriptException();
    return false;
  }
  const Napi::Array array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length > os::kMaxScmFds) {
    Napi::RangeError::New(value.Env(), "fds: too many: at most 253 travel in one message").ThrowAsJavaScriptException();
    return false;
  }
  for (uint32_t i = 0; i < length; ++i) {
    int fd;
    if (!GetFd(array.Get(i), &fd)) return false;
    out->push_back(fd);
  }
  return true;
}

bool GetString(Napi::Value value, const char* name, std::string* out) {
  if (!value.IsString()) {
    Napi::TypeError::New(value.Env(), std::string(name) + ": not a string").ThrowAsJavaScriptException();
    return false;
  }
  *out = value.As<Napi::String>().Utf8Value();
  return true;
}

bool GetFunction(Napi::Value value, const char* name, Napi::Function* out) {
  if (!value.IsFunction()) {
    Napi::TypeError::New(value.Env(), std::string(name) + ": not a function").ThrowAsJavaScriptException();
    return false;
  }
  *out = value.As<Napi::Function>();
  return true;
}

Napi::Value GetOption(Napi::Value value, const char* key) {
  if (!value.IsObject()) return value.Env().Undefined();
  return value.As<Napi::Object>().Get(key);
}

}  // namespace ptnet::addon
