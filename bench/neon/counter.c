// A plugin of qemu that counts what a 64-bit ARM program executes, and prints when it
// ends: instructions, of which arithmetic in vector registers, of which dot products of
// 8-bit numbers; loads and stores.
//   qemu-aarch64 -plugin counter.so PROGRAM
// Debian has no header for plugins. What is declared here is the part of interface 1,
// that of QEMU 6 to 8, which is used; a later QEMU refuses to load it.
#include <stdint.h>
#include <stdio.h>

typedef uint64_t Plugin;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(Plugin, void (*)(Plugin, struct qemu_plugin_tb*));
void qemu_plugin_register_atexit_cb(Plugin, void (*)(Plugin, void*), void*);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb*, int, void*, uint64_t);

enum Kind { kAll, kVector, kDot, kMemory, kKinds };
static uint64_t executed[kKinds];

// Groups of the encoding: bits 28 to 25 are x111 (vectors and floats) or x1x0 (loads and
// stores), "A64 instruction set encoding" in Arm's manual of the architecture.
static int is_vector(uint32_t code) { return (code >> 25 & 7) == 7; }
static int is_memory(uint32_t code) { return (code >> 25 & 5) == 4; }
static int is_dot(uint32_t code) {
  return (code & 0xffe0fc00) == 0x4e809400 ||  // SDOT
         (code & 0xffc0f400) == 0x4f80e000 ||  // SDOT by element
         (code & 0xffe0fc00) == 0x4e80a400;    // SMMLA
}

// A block of straight code is about to be executed for the first time.
static void translated(Plugin id, struct qemu_plugin_tb* block) {
  (void)id;
  const size_t count = qemu_plugin_tb_n_insns(block);
  uint64_t here[kKinds] = {count};
  for (size_t i = 0; i < count; ++i) {
    const uint32_t code =
        *(const uint32_t*)qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i));
    here[kVector] += is_vector(code);
    here[kDot] += is_dot(code);
    here[kMemory] += is_memory(code);
  }
  for (int kind = 0; kind < kKinds; ++kind) {
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &executed[kind], here[kind]);
  }
}

static void ended(Plugin id, void* nothing) {
  (void)id, (void)nothing;
  dprintf(1, "%llu %llu %llu %llu\n", (unsigned long long)executed[kAll],
          (unsigned long long)executed[kVector], (unsigned long long)executed[kDot],
          (unsigned long long)executed[kMemory]);
}

int qemu_plugin_version = 1;

int qemu_plugin_install(Plugin id, const void* machine, int count, char** arguments) {
  (void)machine, (void)count, (void)arguments;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
