// Writes the agent's answers: JSON objects and arrays, built in the order in which they are read.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace ptnet::agent {

inline std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Json {
 public:
  Json& Set(const std::string& key, const std::string& value) { return Raw(key, Quote(value)); }
  Json& Set(const std::string& key, const char* value) { return Raw(key, Quote(value)); }
  Json& Set(const std::string& key, bool value) {
    if (key == "ok") ok_ = value;
    return Raw(key, value ? "true" : "false");
  }
  Json& Set(const std::string& key, uint64_t value) { return Raw(key, std::to_string(value)); }
  Json& Set(const std::string& key, uint32_t value) { return Raw(key, std::to_string(value)); }
  Json& Set(const std::string& key, int value) { return Raw(key, std::to_string(value)); }
  Json& Set(const std::string& key, double value) {
    char text[40];
    snprintf(text, sizeof text, "%.6f", value);
    return Raw(key, text);
  }
  Json& Set(const std::string& key, const Json& value) { return Raw(key, value.Text()); }
  Json& Set(const std::string& key, const std::vector<Json>& values) {
    std::string text;
    for (const Json& value : values) text += (text.empty() ? "" : ",") + value.Text();
    return Raw(key, "[" + text + "]");
  }

  /// What "ok" was set to in this object.
  bool ok() const { return ok_; }
  std::string Text() const { return "{" + members_ + "}"; }

 private:
  Json& Raw(const std::string& key, const std::string& value) {
    if (!members_.empty()) members_ += ",";
    members_ += Quote(key) + ":" + value;
    return *this;
  }

  std::string members_;
  bool ok_ = false;
};

}  // namespace ptnet::agent
