/* A plug-in for the tests that the loader never unloads, as one with an inline variable of C++ in it, and that the host
 * refuses. */
#include <stdint.h>

__attribute__((visibility("default"))) int one_of_the_process = 1;
__asm__(".type one_of_the_process, %gnu_unique_object");

__attribute__((visibility("default"))) const uint32_t ptnet_lookup_plugin[1] = {2};
__attribute__((visibility("default"))) int *use_it(void) { return &one_of_the_process; }
