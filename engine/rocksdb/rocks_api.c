/* Loading of librocksdb; what it says of failures.  Thread: any. */
#include "engine/rocksdb/rocks_api.h"

#include "common/plugin/library.h"

#include <string.h>

#define ROCKS_ROW(name) LIBRARY_SYMBOL(struct rocks_api, "rocksdb_", name),
static const struct library_symbol symbols[] = {ROCKS_FUNCTIONS(ROCKS_ROW)};

static struct rocks_api functions;
static struct library library = {
    .file = "librocksdb.so.7.8",
    .needed_by = "state.backend.type rocksdb",
    .remedy = "install RocksDB 7.8 (Debian: apt-get install librocksdb7.8), or choose hashmap",
    .no_symbol = "another version of RocksDB has its name",
    .symbols = symbols,
    .n_symbols = ARRAY_LEN(symbols),
    .functions = &functions,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

int rocks_api_load(const struct rocks_api **ret_api, struct error *err)
{
    TRY(library_load(&library, err));
    *ret_api = &functions;
    return 0;
}

int rocks_check(const struct rocks_api *api, char *take_text, const char *what, struct error *err)
{
    if (take_text == NULL) {
        return 0;
    }
    enum error_code code = strncmp(take_text, "Corruption", 10) == 0    ? ERR_CORRUPT
                           : strstr(take_text, "No space left") != NULL ? ERR_NO_SPACE
                                                                        : ERR_IO;
    int rc = error_set(err, code, "%s: %s", what, take_text);
    /* Local files are copies of checkpoints, or go back to one: a damaged one is no reason to give up. */
    error_set_class(err, ERROR_CLASS_TRANSIENT);
    api->free(take_text);
    return rc;
}
