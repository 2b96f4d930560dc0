// CompileFilter: dlopen, and the few functions of libpcap that compile.
#include "program/pcap_library.h"

#include <dlfcn.h>
#include <errno.h>

namespace ptnet {
namespace {

// What follows is libpcap's ABI (1.0 and later), which its header declares the same way.

struct pcap_t;
struct bpf_program {
  unsigned int bf_len;
  BpfInsn* bf_insns;
};

constexpr int kEthernet = 1;  // DLT_EN10MB
constexpr uint32_t kNetmaskUnknown = 0xffffffff;

struct Library {
  pcap_t* (*open_dead)(int linktype, int snaplen);
  int (*compile)(pcap_t*, bpf_program*, const char* expression, int optimize, uint32_t netmask);
  char* (*geterr)(pcap_t*);
  void (*freecode)(bpf_program*);
  void (*close)(pcap_t*);
};

/// False where it is not installed.
bool Load(Library* out) {
  void* const handle = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
  void* const other = handle != nullptr ? handle : dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
  if (other == nullptr) return false;
  bool complete = true;
  const auto find = [&](const char* name, auto* function) {
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(other, name));
    complete &= *function != nullptr;
  };
  find("pcap_open_dead", &out->open_dead);
  find("pcap_compile", &out->compile);
  find("pcap_geterr", &out->geterr);
  find("pcap_freecode", &out->freecode);
  find("pcap_close", &out->close);
  return complete;
}

}  // namespace

Status CompileFilter(const std::string& expression, uint32_t snaplen, std::vector<BpfInsn>* out) {
  static Library library;
  static const bool loaded = Load(&library);
  if (!loaded)
    return Status::Fail(
        ENOENT, "filter: libpcap, which compiles it, is not installed: on Debian it is in the package libpcap0.8");
  pcap_t* const pcap = library.open_dead(kEthernet, static_cast<int>(snaplen));
  if (pcap == nullptr) return Status::Fail(ENOMEM, "filter: no memory");
  bpf_program program{};
  Status status;
  if (library.compile(pcap, &program, expression.c_str(), 1, kNetmaskUnknown) == 0) {
    out->assign(program.bf_insns, program.bf_insns + program.bf_len);
    library.freecode(&program);
  } else {
    status = Status::Fail(EINVAL, "filter '" + expression + "': " + library.geterr(pcap));
  }
  library.close(pcap);
  return status;
}

}  // namespace ptnet
