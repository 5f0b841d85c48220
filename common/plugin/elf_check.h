/* Is this file a shared object that this process could load?  Looked at before dlopen, so that people
 * get a sentence about their file instead of the loader's.  Thread: any. */
#ifndef FLINC_COMMON_PLUGIN_ELF_CHECK_H
#define FLINC_COMMON_PLUGIN_ELF_CHECK_H

#include "common/base/error.h"

/* 0, or: ERR_NOT_FOUND / ERR_PERMISSION / ERR_IO (cannot be opened), ERR_INVALID_ARGUMENT (not ELF,
 * truncated, another machine or word size, a program or object file instead of a shared object; for
 * jar, gzip, text and the like the message says what it looks like). */
int elf_check_shared_object(const char *path, struct error *err) MUST_CHECK;

#endif
