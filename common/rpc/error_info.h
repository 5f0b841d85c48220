/* Errors as they travel: struct error <-> flinc.ErrorInfo (proto/control.proto), for every message that
 * carries one.  Thread: any. */
#ifndef FLINC_COMMON_RPC_ERROR_INFO_H
#define FLINC_COMMON_RPC_ERROR_INFO_H

#include "common/base/error.h"
#include "proto/control.pb-c.h"

enum { ERROR_INFO_ORIGIN_MAX = 256 };

/* Fills a message that borrows the texts of `err`; without an origin. */
void error_info_fill(Flinc__ErrorInfo *ret, const struct error *err);
/* Adds where the error was first set, as "file.c:12" in the caller's buffer. */
void error_info_set_origin(Flinc__ErrorInfo *info, const struct error *err,
                           char origin[ERROR_INFO_ORIGIN_MAX]);
/* The error of another process, with its class and frames.  No error in it (NULL, or a code that is none):
 * ERR_UNAVAILABLE with the text `otherwise`.  The origin is left out: it names a file of that process. */
void error_info_read(const Flinc__ErrorInfo *info, const char *otherwise, struct error *ret);

#endif
