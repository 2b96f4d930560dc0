// Classic BPF: what the interpreter makes of each instruction, of programs that libpcap compiles, and of those that it
// refuses.
#include "program/bpf.h"

#include <errno.h>

#include "check.h"
#include "program/pcap_library.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Code = std::vector<BpfInsn>;

constexpr uint8_t kPacket[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x45};

uint32_t Result(Code code) {
  BpfProgram program;
  CHECK_OK(BpfProgram::Create(std::move(code), &program));
  return program.Run(kPacket, sizeof kPacket, 100);
}

void Computes() {
  CHECK_EQ(BpfProgram().Run(kPacket, 8, 8), UINT32_MAX);
  CHECK_EQ(Result({{0x06, 0, 0, 7}}), 7u);
  // ld, ldh, ldb [k]; beyond the packet: 0, whatever comes behind.
  CHECK_EQ(Result({{0x20, 0, 0, 1}, {0x16, 0, 0, 0}}), 0x22334455u);
  CHECK_EQ(Result({{0x28, 0, 0, 6}, {0x16, 0, 0, 0}}), 0x7745u);
  CHECK_EQ(Result({{0x30, 0, 0, 7}, {0x16, 0, 0, 0}}), 0x45u);
  CHECK_EQ(Result({{0x28, 0, 0, 7}, {0x06, 0, 0, 9}}), 0u);
  CHECK_EQ(Result({{0x20, 0, 0, UINT32_MAX}, {0x06, 0, 0, 9}}), 0u);
  // ldx 4*([k]&0xf), then ldb [x + k].
  CHECK_EQ(Result({{0xb1, 0, 0, 2}, {0x87, 0, 0, 0}, {0x16, 0, 0, 0}}), 12u);
  CHECK_EQ(Result({{0x01, 0, 0, 3}, {0x50, 0, 0, 2}, {0x16, 0, 0, 0}}), 0x66u);
  CHECK_EQ(Result({{0x01, 0, 0, UINT32_MAX}, {0x50, 0, 0, 2}, {0x06, 0, 0, 9}}), 0u);
  // ld #len; st, ldx M[]; tax, txa.
  CHECK_EQ(
      Result({{0x80, 0, 0, 0}, {0x02, 0, 0, 15}, {0x61, 0, 0, 15}, {0x00, 0, 0, 1}, {0x87, 0, 0, 0}, {0x16, 0, 0, 0}}),
      100u);
  // add, sub, mul, div, mod, or, and, lsh, rsh, neg, xor.
  const auto alu = [](uint16_t op, uint32_t a, uint32_t b) {
    const uint32_t k = Result({{0x00, 0, 0, a}, {static_cast<uint16_t>(0x04 | op), 0, 0, b}, {0x16, 0, 0, 0}});
    const uint32_t x =
        Result({{0x01, 0, 0, b}, {0x00, 0, 0, a}, {static_cast<uint16_t>(0x0c | op), 0, 0, 0}, {0x16, 0, 0, 0}});
    CHECK_EQ(k, x);
    return k;
  };
  CHECK_EQ(alu(0x00, UINT32_MAX, 3), 2u);
  CHECK_EQ(alu(0x10, 2, 3), UINT32_MAX);
  CHECK_EQ(alu(0x20, 7, 6), 42u);
  CHECK_EQ(alu(0x30, 43, 6), 7u);
  CHECK_EQ(alu(0x90, 43, 6), 1u);
  CHECK_EQ(alu(0x40, 0xf0, 0x0f), 0xffu);
  CHECK_EQ(alu(0x50, 0xf3, 0x3f), 0x33u);
  CHECK_EQ(alu(0x60, 1, 31), 1u << 31);
  CHECK_EQ(alu(0x60, 1, 32), 0u);
  CHECK_EQ(alu(0x70, 1u << 31, 31), 1u);
  CHECK_EQ(alu(0x70, 1u << 31, 40), 0u);
  CHECK_EQ(alu(0x80, 5, 0), static_cast<uint32_t>(-5));
  CHECK_EQ(alu(0xa0, 0xff, 0x0f), 0xf0u);
  CHECK_EQ(Result({{0x00, 0, 0, 5}, {0x3c, 0, 0, 0}, {0x06, 0, 0, 9}}), 0u);
  // ja, jeq, jgt, jge, jset: 1 when it holds, 2 when not.
  CHECK_EQ(Result({{0x05, 0, 0, 1}, {0x06, 0, 0, 1}, {0x06, 0, 0, 2}}), 2u);
  const auto jump = [](uint16_t op, uint32_t a, uint32_t k) {
    return Result({{0x00, 0, 0, a}, {static_cast<uint16_t>(0x05 | op), 0, 1, k}, {0x06, 0, 0, 1}, {0x06, 0, 0, 2}});
  };
  CHECK(jump(0x10, 5, 5) == 1 && jump(0x10, 5, 6) == 2);
  CHECK(jump(0x20, 6, 5) == 1 && jump(0x20, 5, 5) == 2);
  CHECK(jump(0x30, 5, 5) == 1 && jump(0x30, 4, 5) == 2);
  CHECK(jump(0x40, 6, 4) == 1 && jump(0x40, 6, 8) == 2);
}

void RefusesWhatLeadsAstray() {
  const BpfInsn end{0x06, 0, 0, 1};
  const Code bad[] = {
      {{0x00, 0, 0, 1}},       // no return
      {{0x05, 0, 0, 1}, end},  // beyond the end
      {{0x15, 1, 0, 0}, end},  //
      {{0x15, 0, 1, 0}, end},  //
      {{0x05, 0, 0, UINT32_MAX}, end},
      {{0x34, 0, 0, 0}, end},    // a division by 0
      {{0x94, 0, 0, 0}, end},    //
      {{0x60, 0, 0, 16}, end},   // no such word
      {{0x02, 0, 0, 16}, end},   //
      {{0x03, 0, 0, 99}, end},   //
      {{0xb4, 0, 0, 1}, end},    // no such operation
      {{0x55, 0, 0, 1}, end},    //
      {{0x38, 0, 0, 1}, end},    // no such size
      {{0x0e, 0, 0, 1}, end},    // return x
      {{0x47, 0, 0, 1}, end},    //
      {{0xffff, 0, 0, 1}, end},  //
      {{0x0120, 0, 0, 1}, end},  //
      Code(4097, end),
  };
  for (const Code& code : bad) {
    BpfProgram program;
    CHECK_EQ(BpfProgram::Create(code, &program).err, EINVAL);
    CHECK(program.accepts_all());
  }
}

/// Any bytes are refused, or end.
void EndsWhateverItIs(Random& random) {
  uint32_t good = 0;
  for (int round = 0; round < 200'000; round++) {
    Code code(1 + random.Below(6));
    for (BpfInsn& i : code)
      i = {static_cast<uint16_t>(random.Below(random.OneIn(20) ? 65536 : 256)), static_cast<uint8_t>(random.Below(3)),
           static_cast<uint8_t>(random.Below(3)), random.OneIn(2) ? random.Below(20) : random.Below(UINT32_MAX)};
    code.back() = {0x06, 0, 0, 1};
    BpfProgram program;
    if (!BpfProgram::Create(code, &program).ok()) continue;
    good++;
    program.Run(kPacket, random.Below(sizeof kPacket + 1), random.Below(2000));
  }
  CHECK(good > 1000);
}

void RunsWhatLibpcapCompiles() {
  const auto frame = [](bool tcp, uint32_t port) {
    Bytes f(80, 0);
    Set16(f, 12, 0x0800);
    f[14] = 0x45, f[23] = tcp ? 6 : 17;
    f[26] = 10, f[29] = 1;
    Set16(f, 34, 1000), Set16(f, 36, port);
    return f;
  };
  const auto wants = [](const char* expression, const Bytes& f) {
    Code code;
    CHECK_OK(CompileFilter(expression, 65535, &code));
    BpfProgram program;
    CHECK_OK(BpfProgram::Create(code, &program));
    return program.Run(f.data(), static_cast<uint32_t>(f.size()), static_cast<uint32_t>(f.size())) > 0;
  };
  const Bytes dns = frame(false, 53), web = frame(true, 80);
  CHECK(wants("udp port 53", dns) && !wants("udp port 53", web));
  CHECK(wants("tcp", web) && !wants("tcp", dns));
  CHECK(wants("src net 10.0.0.0/8 and not port 53", web) && !wants("src net 10.0.0.0/8 and not port 53", dns));
  CHECK(wants("less 80", dns) && !wants("greater 81", dns));
  CHECK(wants("", dns));
  Code code;
  const Status s = CompileFilter("udp prot 53", 65535, &code);
  CHECK_EQ(s.err, EINVAL);
  CHECK(s.message.starts_with("filter 'udp prot 53': "));
}

}  // namespace

int main() {
  Random random("bpf_test");
  Computes();
  RefusesWhatLeadsAstray();
  EndsWhateverItIs(random);
  RunsWhatLibpcapCompiles();
}
