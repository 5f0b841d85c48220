/* Opening a shared object (a plug-in, or a job bundle) with errors that say which of the many things
 * went wrong and what to do about it.  Thread: any. */
#ifndef FLINC_COMMON_PLUGIN_SHARED_OBJECT_H
#define FLINC_COMMON_PLUGIN_SHARED_OBJECT_H

#include "common/base/error.h"

struct shared_object {
    void *handle; /* Owns: dlopen handle; NULL: closed */
    char *path;   /* Owns */
};
#define SHARED_OBJECT_INIT \
    {                      \
        NULL, NULL         \
    }

/* Checks the file, then loads it with all symbols bound at once and kept to itself.  Errors:
 * those of elf_check_shared_object; ERR_INVALID_ARGUMENT with the unresolved symbol, the missing
 * library, or the loader's text. */
int shared_object_open(struct shared_object *so, const char *path, struct error *err) MUST_CHECK;
/* The address of an exported symbol; ERR_NOT_FOUND says that the file is no <what> ("plug-in",
 * "job bundle") because it does not export it. */
int shared_object_symbol(const struct shared_object *so, const char *symbol, const char *what,
                         void **ret_address, struct error *err) MUST_CHECK;
void shared_object_close(struct shared_object *so);

#endif
