/* The local copy of one archive: a file with the answers of REST, which are found by their paths.
 *
 *   answers, one behind the other │ paths │ index: where each path and its answer lies, sorted by path │ footer
 *
 * Such a file lives no longer than the process that wrote it, and is read by no other: it has no version.
 * Thread: a writer one owner; look-ups any. */
#ifndef FLINC_JOBMANAGER_HISTORY_PAGE_FILE_H
#define FLINC_JOBMANAGER_HISTORY_PAGE_FILE_H

#include "common/base/error.h"
#include "common/base/str.h"

struct page_writer;
/* Replaces a file of this name. */
int page_writer_open(const char *path, struct page_writer **ret, struct error *err) MUST_CHECK;
/* Of several answers of one path the last counts. */
int page_writer_add(struct page_writer *w, struct slice page, struct slice answer,
                    struct error *err) MUST_CHECK;
/* Writes the index; *w becomes NULL either way. */
int page_writer_close(struct page_writer **w, struct error *err) MUST_CHECK;
/* Closes it without; the file stays.  NULL is fine; returns NULL. */
struct page_writer *page_writer_abandon(struct page_writer *w);

/* Where the answer of `page` lies in the file that `fd` is.  ERR_NOT_FOUND: it has none. */
int page_file_find(int fd, const char *page, uint64_t *ret_offset, uint64_t *ret_size,
                   struct error *err) MUST_CHECK;

#endif
