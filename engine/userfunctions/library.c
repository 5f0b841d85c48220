/* Libraries by the names that job graphs have for them; opened when the first function is looked for, and for ever. */
#include "common/base/map.h"
#include "common/plugin/shared_object.h"
#include "engine/userfunctions/inside.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>

struct library {
    char *path;              /* Owns */
    struct shared_object so; /* handle NULL: not opened */
};

static struct {
    pthread_mutex_t lock;
    struct map by_name; /* Owns: struct library * */
    bool is_made;
} libraries = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_name(const char *name)
{
    const size_t len = strlen(name);
    return len > 0 && len <= USER_NAME_MAX && strpbrk(name, ":/") == NULL;
}

static int add(const char *name, const char *path, struct error *err)
{
    if (!libraries.is_made) {
        map_init(&libraries.by_name, NULL);
        libraries.is_made = true;
    }
    struct library *known = map_find(&libraries.by_name, name);
    if (known != NULL) {
        if (known->so.handle == NULL && strcmp(known->path, path) != 0) {
            mem_free(known->path); /* the other file may be gone: both have the same bytes */
            known->path = mem_strdup(path);
        }
        return 0;
    }
    if (libraries.by_name.len >= USER_LIBRARIES_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "this process has %d libraries of functions, which is the limit: start "
                         "it anew",
                         USER_LIBRARIES_MAX);
    }
    struct library *l = MEM_NEW(struct library);
    l->path = mem_strdup(path);
    (void)map_put(&libraries.by_name, name, l);
    return 0;
}

int user_library_add(const char *name, const char *path, struct error *err)
{
    if (!is_name(name)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'%.255s' is no name of a library", name);
    }
    pthread_mutex_lock(&libraries.lock);
    int rc = add(name, path, err);
    pthread_mutex_unlock(&libraries.lock);
    return rc;
}

/* The symbol must be data, large enough to be looked at. */
static int check_symbol(const char *path, const char *symbol, const void *address,
                        struct error *err)
{
    const Elf64_Sym *entry = NULL;
    Dl_info info;
    if (dladdr1(address, &info, (void **)(uintptr_t)&entry, RTLD_DL_SYMENT) == 0 || entry == NULL ||
        ELF64_ST_TYPE(entry->st_info) != STT_OBJECT || entry->st_size < 4 * sizeof(uint32_t)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the symbol '%s' of %s is no function of SQL: name what "
                         "FLINC_SCALAR_FUNCTION, FLINC_TABLE_FUNCTION or FLINC_AGGREGATE_FUNCTION "
                         "of flinc/udf.h has made",
                         symbol, path);
    }
    return 0;
}

static int find_symbol(const char *library, const char *symbol, const void **ret,
                       const char **ret_file, struct error *err)
{
    struct library *l = libraries.is_made ? map_find(&libraries.by_name, library) : NULL;
    if (l == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "the library '%s' of a user's function did not come with the job",
                         library);
    }
    if (l->so.handle == NULL) {
        TRY(shared_object_open(&l->so, l->path, err));
    }
    void *address = dlsym(l->so.handle, symbol);
    if (address == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "%s has no symbol '%s': see what it exports by nm -D, and declare the "
                         "function by a macro of flinc/udf.h",
                         l->path, symbol);
    }
    TRY(check_symbol(l->path, symbol, address, err));
    *ret = address;
    *ret_file = l->path;
    return 0;
}

int user_library_symbol(const char *library, const char *symbol, const void **ret,
                        const char **ret_file, struct error *err)
{
    pthread_mutex_lock(&libraries.lock);
    int rc = find_symbol(library, symbol, ret, ret_file, err);
    pthread_mutex_unlock(&libraries.lock);
    return rc;
}
