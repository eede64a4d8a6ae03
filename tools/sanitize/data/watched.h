/* What C code that TVM generates needs of the runtime, without its headers: types of the calling convention, and
   workspaces from an allocator that AddressSanitizer watches. */
#ifndef TVM_SANITIZE_ABI_H_
#define TVM_SANITIZE_ABI_H_

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* the code generator writes these where constants are meant */
#define nanf NAN
#define inff INFINITY

static inline void* watched_workspace(int device, int number, uint64_t bytes, int code, int bits) {
  void* found = NULL;
  return posix_memalign(&found, 64, bytes) ? NULL : found;
}

static inline int free_watched_workspace(int device, int number, void* block) {
  free(block);
  return 0;
}

#define TVMBackendAllocWorkspace watched_workspace
#define TVMBackendFreeWorkspace free_watched_workspace
#endif
