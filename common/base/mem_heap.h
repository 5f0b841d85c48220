/* The malloc of a process whose memory has to stay near what it uses: few heaps, and nothing large in them.  Harmless with
 * another malloc than that of glibc.  Thread: any. */
#ifndef FLINC_COMMON_BASE_MEM_HEAP_H
#define FLINC_COMMON_BASE_MEM_HEAP_H

#include <stdint.h>

/* At most `n_heaps` (of threads that are still to come; 0: as many as malloc likes), and large pieces are mapped each for
 * itself, so that the system has them back at once. */
void mem_heap_keep_tight(uint32_t n_heaps);
/* Gives pages that nothing is in to the system: some milliseconds where there is much. */
void mem_heap_trim(void);

#endif
