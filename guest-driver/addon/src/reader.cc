// Checks JavaScript values field by field and says which one is wrong, how, and what would be right.
#include "reader.h"

#include <cmath>
#include <cstring>

namespace ptnet::guest {
namespace {

std::string Show(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value.IsNumber() || value.IsBigInt()) return value.ToString().Utf8Value() + (value.IsBigInt() ? "n" : "");
  if (value.IsString()) return std::string("'") + value.As<Napi::String>().Utf8Value().substr(0, 40) + "'";
  if (value.IsArray()) return "an array";
  return value.IsFunction() ? "a function" : value.IsSymbol() ? "a symbol" : "an object";
}

}  // namespace

Reader::Reader(Napi::Env env, const Napi::Value& value, const std::string& function, const std::string& path)
    : env_(env), function_(function), path_(path) {
  ok_ = !env.IsExceptionPending();
  if (value.IsObject() && !value.IsFunction() && !value.IsArray()) {
    object_ = value.As<Napi::Object>();
    return;
  }
  const std::string name = path.empty() ? "options" : path.substr(0, path.size() - 1);
  path_.clear();
  TypeError(name + ": " + Show(value) + ": must be an object");
}

void Reader::TypeError(const std::string& text) {
  if (ok_) Napi::TypeError::New(env_, function_ + ": " + path_ + text).ThrowAsJavaScriptException();
  ok_ = false;
}

void Reader::RangeError(const std::string& text) {
  if (ok_) Napi::RangeError::New(env_, function_ + ": " + path_ + text).ThrowAsJavaScriptException();
  ok_ = false;
}

Napi::Value Reader::Field(const char* name) {
  if (!ok_) return env_.Undefined();
  const Napi::Value value = object_.Get(name);
  // A getter may have thrown; its exception is then the one pending.
  if (value.IsEmpty() || env_.IsExceptionPending()) {
    ok_ = false;
    return env_.Undefined();
  }
  return value;
}

bool Reader::Has(const char* name) { return !Field(name).IsUndefined(); }

Reader Reader::Child(const char* name) {
  const Napi::Value value = Field(name);
  Reader child(env_, ok_ ? value : Napi::Value(Napi::Object::New(env_)), function_, path_ + name + ".");
  if (!ok_) child.ok_ = false;
  return child;
}

void Reader::BigInt(const char* name, uint64_t& into) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  if (!value.IsBigInt()) return TypeError(std::string(name) + ": " + Show(value) + ": must be a bigint");
  bool lossless = false;
  into = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) RangeError(std::string(name) + ": " + Show(value) + ": must fit 64 unsigned bits");
}

bool Reader::CheckInteger(const std::string& name, const Napi::Value& value, int64_t low, int64_t high, int64_t& into) {
  if (!value.IsNumber()) {
    TypeError(name + ": " + Show(value) + ": must be a number");
    return false;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || std::floor(number) != number) {
    RangeError(name + ": " + Show(value) + ": must be a whole number from " + std::to_string(low) + " to " +
               std::to_string(high));
    return false;
  }
  into = static_cast<int64_t>(number);
  return true;
}

void Reader::Integer(const char* name, int64_t low, int64_t high, int64_t& into) {
  const Napi::Value value = Field(name);
  if (ok_) CheckInteger(name, value, low, high, into);
}

void Reader::Positive(const char* name, double high, double& into) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  if (!value.IsNumber()) return TypeError(std::string(name) + ": " + Show(value) + ": must be a number");
  into = value.As<Napi::Number>().DoubleValue();
  if (!(into > 0 && into <= high))
    RangeError(std::string(name) + ": " + Show(value) + ": must be above 0 and at most " +
               std::to_string(static_cast<int64_t>(high)));
}

void Reader::Boolean(const char* name, bool& into) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  if (!value.IsBoolean()) return TypeError(std::string(name) + ": " + Show(value) + ": must be true or false");
  into = value.As<Napi::Boolean>().Value();
}

void Reader::OneOf(const char* name, const std::vector<std::string>& names, size_t& into) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  const std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  std::string all;
  for (size_t i = 0; i < names.size(); ++i) {
    if (value.IsString() && text == names[i]) {
      into = i;
      return;
    }
    all += (i == 0 ? "'" : ", '") + names[i] + "'";
  }
  TypeError(std::string(name) + ": " + Show(value) + ": must be one of " + all);
}

void Reader::Text(const char* name, std::string& into) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  if (!value.IsString()) return TypeError(std::string(name) + ": " + Show(value) + ": must be a text");
  into = value.As<Napi::String>().Utf8Value();
}

void Reader::Mac(const char* name, uint8_t into[6]) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
      value.As<Napi::Uint8Array>().ByteLength() != 6)
    return TypeError(std::string(name) + ": " + Show(value) + ": must be a Uint8Array of 6 bytes");
  std::memcpy(into, value.As<Napi::Uint8Array>().Data(), 6);
}

void Reader::Integers(const char* name, int64_t low, int64_t high, std::vector<int64_t>& into) {
  const Napi::Value value = Field(name);
  if (!ok_) return;
  if (!value.IsArray()) return TypeError(std::string(name) + ": " + Show(value) + ": must be an array");
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length() && ok_; ++i) {
    const Napi::Value item = array.Get(i);
    if (item.IsEmpty() || env_.IsExceptionPending()) {
      ok_ = false;
      return;
    }
    int64_t number = 0;
    if (CheckInteger(std::string(name) + "[" + std::to_string(i) + "]", item, low, high, number))
      into.push_back(number);
  }
}

}  // namespace ptnet::guest
