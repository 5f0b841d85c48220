/* Bytes to file descriptors that block.  Thread: any. */
#ifndef FLINC_COMMON_BASE_FD_H
#define FLINC_COMMON_BASE_FD_H

#include "common/base/macros.h"
#include <stddef.h>
#include <sys/types.h>

/* All of it, however often the system takes a part or is interrupted: 0, or -1 with errno; some of it may have been written then. */
int fd_write_all(int fd, const void *data, size_t size) MUST_CHECK;
/* The same at a place of a file. */
int fd_write_all_at(int fd, const void *data, size_t size, off_t at) MUST_CHECK;

#endif
