/* dlopen with sentences: the loader's message is taken apart for the cases that people meet. */
#include "common/plugin/shared_object.h"
#include "common/base/str.h"
#include "common/plugin/elf_check.h"
#include <dlfcn.h>

/* The word behind `marker` in the loader's message, up to a blank, comma or colon. */
static struct slice word_after(const char *message, const char *marker)
{
    const char *at = strstr(message, marker);
    if (at == NULL) {
        return (struct slice){0};
    }
    at += strlen(marker);
    return slice_make(at, strcspn(at, " ,:("));
}

/* "libfoo.so.1: cannot open shared object file: ...": the name in front is not our own file. */
static struct slice missing_library(const char *message, const char *path)
{
    static const char marker[] = ": cannot open shared object file";
    const char *at = strstr(message, marker);
    if (at == NULL || cstr_starts_with(message, path)) {
        return (struct slice){0};
    }
    return slice_make(message, (size_t)(at - message));
}

static int explain(const char *path, const char *message, struct error *err)
{
    struct slice symbol = word_after(message, "undefined symbol: ");
    if (symbol.len > 0) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "%s uses the symbol %.*s, which nothing provides: link it with the library "
            "that has it, or build it against the headers of this version (%s)",
            path, (int)symbol.len, symbol.data, FLINC_VERSION);
    }
    struct slice library = missing_library(message, path);
    if (library.len > 0) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "%s needs the library %.*s, which is not installed: install it, or put its "
            "folder into LD_LIBRARY_PATH",
            path, (int)library.len, library.data);
    }
    if (strstr(message, "position-independent executable") != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s is a program: build it with -shared -fPIC instead", path);
    }
    struct slice version = word_after(message, "version `");
    if (version.len > 0 && strstr(message, "not found") != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s was built on a newer system (%s): build it here", path, message);
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "%s cannot be loaded: %s", path, message);
}

int shared_object_open(struct shared_object *so, const char *path, struct error *err)
{
    TRY(elf_check_shared_object(path, err));
    /* A name without a slash would be searched in the library path instead of opened. */
    STR_AUTO full = STR_INIT;
    str_printf(&full, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    void *handle = dlopen(str_cstr(&full), RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *message = dlerror();
        return explain(path, message != NULL ? message : "unknown reason", err);
    }
    so->handle = handle;
    so->path = mem_strdup(path);
    return 0;
}

int shared_object_symbol(const struct shared_object *so, const char *symbol, const char *what,
                         void **ret_address, struct error *err)
{
    void *address = dlsym(so->handle, symbol);
    if (address == NULL) {
        return error_set(err, ERR_NOT_FOUND, "%s is no %s: it does not export %s", so->path, what,
                         symbol);
    }
    *ret_address = address;
    return 0;
}

void shared_object_close(struct shared_object *so)
{
    if (so->handle != NULL) {
        dlclose(so->handle);
    }
    mem_free(so->path);
    *so = (struct shared_object)SHARED_OBJECT_INIT;
}
