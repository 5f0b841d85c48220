/* The file that is uploaded for a library of a job.
 *
 * A bundle is uploaded as it is.  A program whose own functions a job uses (an ordinary C program with a remote
 * environment) is a position-independent executable, which the dynamic linker refuses to load beside another
 * program only because of a flag in its dynamic section: a copy without the flag loads.
 * Thread: any. */
#ifndef FLINC_CLIENT_SUBMIT_UPLOAD_COPY_H
#define FLINC_CLIENT_SUBMIT_UPLOAD_COPY_H

#include "common/base/error.h"
#include "common/base/str.h"

/* *ret_path: `path` itself, or a temporary copy (*ret_is_copy) that the caller removes.  ERR_UNSUPPORTED: a
 * program that was linked for a fixed address. */
int upload_copy_make(const char *path, struct str *ret_path, bool *ret_is_copy,
                     struct error *err) MUST_CHECK;

#endif
