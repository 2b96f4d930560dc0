// Options of the sanitizers that the fuzzers are built with.

/// Allocations are many and short: their stacks and a long quarantine would take most of the time.
extern "C" const char* __asan_default_options() { return "malloc_context_size=0:quarantine_size_mb=4"; }
