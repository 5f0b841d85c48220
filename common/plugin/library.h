/* Libraries of the system that only some processes need: loaded on first use, as a struct of their functions, and kept.
 * Nothing links them, so that processes that never ask pay nothing for them.
 *
 *   struct curl_functions { CURL *(*easy_init)(void); ... };
 *   static struct library library = {.file = "libcurl.so.4", ..., .lock = PTHREAD_MUTEX_INITIALIZER};
 *   TRY(library_load(&library, err));
 *
 * Thread: any (the lock guards the first load). */
#ifndef FLINC_COMMON_PLUGIN_LIBRARY_H
#define FLINC_COMMON_PLUGIN_LIBRARY_H

#include "common/base/error.h"
#include <pthread.h>

struct library_symbol {
    const char *name;
    size_t at; /* in the struct of functions */
};
/* A row of the table: `prefix` and the name of a member are the name of its function. */
#define LIBRARY_SYMBOL(type, prefix, member)   \
    {                                          \
        prefix #member, offsetof(type, member) \
    }

struct library {
    const char *file;                     /* "libcurl.so.4" */
    const char *needed_by;                /* "the HTTP client": who says that it needs it */
    const char *remedy;                   /* "install libcurl (Debian: apt-get install libcurl4)" */
    const char *no_symbol;                /* behind "FILE has no SYMBOL"; NULL: nothing */
    const struct library_symbol *symbols; /* all of the struct: LIBRARY_HAS_ALL() */
    size_t n_symbols;
    void *functions;                                             /* Borrows; filled */
    int (*start)(const struct library *library, struct error *); /* before others; NULL: nothing */
    pthread_mutex_t lock;
    bool
        is_loaded; /* guarded by lock; for the life of the process: it may have threads of its own */
};
/* Beside the table: each function has its row. */
#define LIBRARY_HAS_ALL(symbols, type) \
    _Static_assert(ARRAY_LEN(symbols) * sizeof(void *) == sizeof(type), "a row per function")

/* The functions are there.  ERR_UNAVAILABLE: it is not installed, or too old; the next call looks again. */
int library_load(struct library *library, struct error *err) MUST_CHECK;

#endif
