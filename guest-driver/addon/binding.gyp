{
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
    "cflags_cc": ["-std=gnu++20", "-O3", "-fno-exceptions", "-fno-rtti", "-fno-plt"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++14", "-std=gnu++1y", "-fno-omit-frame-pointer"],
    # The last one: in an environment that is being terminated an error cannot be thrown, which must not end the process.
    "defines": [
      "NAPI_VERSION=9",
      "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
      "NODE_ADDON_API_DISABLE_DEPRECATED",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
    ]
  },
  "targets": [
    {
      "target_name": "ptnetguest",
      "include_dirs": ["..", "../..", "src", "<!@(node -p \"require('node-addon-api').include\")"],
      "sources": ["<!@(find src -name '*.cc' | sort)"]
    }
  ]
}
