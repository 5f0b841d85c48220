/* Memory of the arrays of large tables: zeroed pages that can be put behind others without copying what they
 * have, and given back one by one.  Inside the room only.  Thread: any. */
#ifndef FLINC_ENGINE_STATE_SLOT_PAGES_H
#define FLINC_ENGINE_STATE_SLOT_PAGES_H

#include <stddef.h>

#define SLOT_PAGES_DROPPED ((size_t)2 * 1024 * 1024) /* pages of so many bytes are given back */

/* Never NULL; huge pages are asked for, as random probes over small ones would miss the TLB each time. */
void *slot_pages_new(size_t bytes);
void slot_pages_free(void *pages, size_t bytes);
/* New pages of `at + old_bytes` bytes, which have from `at` on what `take_old` had. */
void *slot_pages_put_behind(void *take_old, size_t old_bytes, size_t at);
/* Gives back all whole pages behind `keep`. */
void slot_pages_cut(void *pages, size_t bytes, size_t keep);
/* Nobody needs bytes [from, to) any more: whole aligned runs of SLOT_PAGES_DROPPED among them are given back, and
 * read as zeros. */
void slot_pages_drop(void *pages, size_t from, size_t to);

#endif
