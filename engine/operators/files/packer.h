/* Compression of a bulk file: gzip (one member) or zstd (one frame), from its first byte to its last.
 * Thread: one owner. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_PACKER_H
#define FLINC_ENGINE_OPERATORS_FILES_PACKER_H

#include "common/base/error.h"
#include "common/base/str.h"

struct file_packer;

/* "" and the names that there are; ERR_INVALID_ARGUMENT. */
int file_packer_check(const char *name, struct error *err) MUST_CHECK;
/* What it adds to the names of files: ".gz", ".zst"; "" for "". */
const char *file_packer_suffix(const char *name);
/* NULL for "". */
int file_packer_new(const char *name, struct file_packer **ret_packer,
                    struct error *err) MUST_CHECK;
/* Appends what is ready of the packed bytes. */
int file_packer_add(struct file_packer *p, struct slice bytes, struct str *out,
                    struct error *err) MUST_CHECK;
/* The rest; nothing is added behind it. */
int file_packer_finish(struct file_packer *p, struct str *out, struct error *err) MUST_CHECK;
struct file_packer *file_packer_free(struct file_packer *p); /* NULL is fine; returns NULL */

#endif
