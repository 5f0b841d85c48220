/* The name of a bundle's job, read from the file: the string that flinc_job_entry.name points to.  The
 * file is only looked at, never loaded, since user code does not run in the job manager; every offset in it
 * is checked.  Thread: any. */
#ifndef FLINC_JOBMANAGER_REST_BUNDLE_ENTRY_H
#define FLINC_JOBMANAGER_REST_BUNDLE_ENTRY_H

#include "common/base/str.h"

enum { BUNDLE_ENTRY_NAME_MAX = 255 };

/* False: the bytes are no shared object of this machine, or it exports no job. */
bool bundle_entry_read(const uint8_t *data, size_t size, char ret_name[BUNDLE_ENTRY_NAME_MAX + 1]);
bool bundle_entry_read_file(int fd, char ret_name[BUNDLE_ENTRY_NAME_MAX + 1]);

#endif
