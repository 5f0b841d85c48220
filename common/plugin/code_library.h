/* Loaded code by address and back: which shared object holds a function, where it is loaded, and its
 * build id.  A job graph names functions as (library, offset); a worker turns them into addresses again.
 * Thread: any. */
#ifndef FLINC_COMMON_PLUGIN_CODE_LIBRARY_H
#define FLINC_COMMON_PLUGIN_CODE_LIBRARY_H

#include "common/base/error.h"
#include <limits.h>

enum { CODE_BUILD_ID_MAX = 64 };

/* A loaded shared object, or the program itself. */
struct code_library {
    uintptr_t base;                           /* load address */
    char path[PATH_MAX];                      /* absolute */
    char build_id[2 * CODE_BUILD_ID_MAX + 1]; /* hex of its NT_GNU_BUILD_ID note; "" without one */
};

/* The object that holds this address; ERR_NOT_FOUND for an address that is in none. */
int code_library_of_address(struct code_library *ret, const void *address,
                            struct error *err) MUST_CHECK;
/* The object that was loaded from this path.  ERR_NOT_FOUND: it is not loaded; ERR_FENCED: it is, with
 * another build id than asked for ("": any). */
int code_library_find(struct code_library *ret, const char *path, const char *build_id,
                      struct error *err) MUST_CHECK;
/* The address of an offset; ERR_INVALID_ARGUMENT when it is in no executable part of the object. */
int code_library_address(const struct code_library *lib, uint64_t offset, void **ret_address,
                         struct error *err) MUST_CHECK;

#endif
