/* flinc/connector.h: table connectors of third parties.  A plug-in is a shared object plugins/NAME/FILE.so that exports one
 * function, FLINC_CONNECTOR(my_connector); processes that plan or run tables load it at their start.  Then
 * 'connector' = '<its name>' is a table like those of the tree: options are checked against its table, with the same
 * messages, and its source and sink run in tasks.
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) my_connector.c -o plugins/my/my_connector.so
 *
 * It includes headers of Flinc and links nothing of it.
 *
 * Versions.  Structs begin with their size; FLINC_CONNECTOR_ABI_VERSION is that of the header that a plug-in was compiled
 * with.  New functions are added at the ends of structs, and are absent for plug-ins that are older; what exists keeps its
 * meaning, else the version grows and older plug-ins are refused with a sentence.
 *
 * Threads.  Everything of one reader or writer runs on its task's thread, one call at a time.  No function may block for long:
 * a task that waits takes no checkpoint.  A source that waits for others has a thread of its own, which calls
 * flinc_connector_wake().  Such threads block all signals and end in close().
 *
 * Ownership.  Arguments are borrowed for the call.  What open() returns belongs to the plug-in until close(), which is called
 * however the task ends.  Outputs are read only after 0 was returned.
 *
 * Errors.  0, or one of enum flinc_connector_code by flinc_connector_fail(); the code decides what happens, the message goes to
 * people: what was wrong, with which option or thing, the remedy.
 *
 * Flink: DynamicTableFactory, SourceReader and SplitEnumerator, SinkWriter and Committer. */
#ifndef FLINC_CONNECTOR_H
#define FLINC_CONNECTOR_H

#include <stdarg.h>
#include <stdio.h>

#include "flinc/function.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLINC_CONNECTOR_ABI_VERSION 1
#define FLINC_CONNECTOR_MESSAGE_MAX 1024
#define FLINC_CONNECTOR_OPTIONS_MAX 256
#define FLINC_CONNECTOR_SPLITS_MAX 100000
#define FLINC_CONNECTOR_BYTES_MAX (1024 * 1024) /* of a split, a position, a committable */

enum flinc_connector_code {
    FLINC_CONNECTOR_OK = 0,
    FLINC_CONNECTOR_INVALID = 1,     /* options or data that can never work: the job fails */
    FLINC_CONNECTOR_UNAVAILABLE = 2, /* may work later: the job restarts by its strategy */
    FLINC_CONNECTOR_CORRUPT = 3      /* damaged data: trying again does not help */
};

typedef struct flinc_connector_error {
    char message[FLINC_CONNECTOR_MESSAGE_MAX]; /* NUL-terminated; a sentence without full stop */
} flinc_connector_error;

/* Sets the message and is the code. */
static inline int flinc_connector_fail(flinc_connector_error *error, enum flinc_connector_code code,
                                       const char *fmt, ...) FLINC_PRINTF(3, 4);
static inline int flinc_connector_fail(flinc_connector_error *error, enum flinc_connector_code code,
                                       const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(error->message, sizeof(error->message), fmt, ap);
    va_end(ap);
    return (int)code;
}

/* ---- options and tables ---- */

enum flinc_table_option_type {
    FLINC_TABLE_OPTION_STRING = 0,
    FLINC_TABLE_OPTION_BOOL = 1,
    FLINC_TABLE_OPTION_INT = 2,  /* 32 bits */
    FLINC_TABLE_OPTION_LONG = 3, /* 64 bits */
    FLINC_TABLE_OPTION_DOUBLE = 4,
    FLINC_TABLE_OPTION_DURATION = 5, /* "10 s" */
    FLINC_TABLE_OPTION_MEMORY = 6,   /* "64 mb" */
    FLINC_TABLE_OPTION_ENUM = 7,
    FLINC_TABLE_OPTION_LIST = 8 /* "a;b" */
};
enum flinc_table_option_flags {
    FLINC_TABLE_OPTION_REQUIRED = 1,
    FLINC_TABLE_OPTION_FORWARDED = 2, /* a hint may change it */
    FLINC_TABLE_OPTION_SECRET = 4     /* never shown */
};

/* A key of WITH.  `<word>` in a name stands for one part between dots.  A table of them ends with a name of NULL. */
typedef struct flinc_table_option {
    const char *name;
    enum flinc_table_option_type type;
    const char *default_text; /* NULL: none */
    const char *values;       /* of an enum: "fast|slow" */
    const char *min, *max;    /* inclusive; NULL: no limit */
    const char *description;
    uint32_t flags; /* enum flinc_table_option_flags */
} flinc_table_option;

/* A table that is read or written. */
typedef struct flinc_connector_table {
    uint32_t struct_size;
    const char *name; /* "catalog.database.table" */
    uint32_t n_columns;
    const char *const *columns; /* names */
    const char *const *types;   /* "BIGINT NOT NULL" */
    uint32_t subtask, parallelism;
    void *owner;
    /* The text of an option: what was given, else the default; NULL: none.  Values were checked before. */
    const char *(*get)(const struct flinc_connector_table *table, const char *option);
} flinc_connector_table;

/* Takes bytes and copies them. */
typedef struct flinc_connector_bytes {
    void *owner;
    void (*add)(struct flinc_connector_bytes *to, const void *data, size_t size);
} flinc_connector_bytes;

/* ---- sources ---- */

typedef struct flinc_connector_waker {
    void (*wake)(struct flinc_connector_waker *waker);
} flinc_connector_waker;
/* There is something to poll for.  Any thread, until close() has returned. */
static inline void flinc_connector_wake(flinc_connector_waker *waker)
{
    waker->wake(waker);
}

enum flinc_poll_state {
    FLINC_POLL_MORE = 0, /* call again */
    FLINC_POLL_WAIT = 1, /* nothing now: call when woken, or after wait_ms */
    FLINC_POLL_END = 2   /* this split has ended */
};
typedef struct flinc_poll {
    uint32_t struct_size;
    uint32_t max_rows; /* write about so many at most */
    enum flinc_poll_state state;
    int64_t wait_ms; /* < 0: until it is woken */
    /* Event time of the split: no later row of it is before that.  Stays as it was when it is not set; the source's watermark
     * is the least of its splits'. */
    int64_t watermark_ms;
} flinc_poll;

/* What is read is cut into splits: files, partitions, ranges; at least one.  Each is read by one subtask at a time, from a
 * position that the plug-in writes as bytes; both are kept in checkpoints, so each row comes once whatever happens, when
 * reading from a position gives the same rows again. */
typedef struct flinc_connector_source {
    uint32_t struct_size;
    /* Adds every split, as bytes; when a job starts for the first time, in each subtask: all must get the same ones in the
     * same order.  Subtask i takes number i, i + parallelism, ... */
    int (*splits)(const flinc_connector_table *table, flinc_connector_bytes *ret_splits,
                  flinc_connector_error *error);
    /* Does it end by itself?  NULL: always. */
    bool (*is_bounded)(const flinc_connector_table *table);
    /* position NULL: from the beginning. */
    int (*open)(const flinc_connector_table *table, flinc_string split,
                const flinc_string *position, flinc_connector_waker *waker, void **ret_reader,
                flinc_connector_error *error);
    /* Writes rows to `out`: flinc_out_begin_row(), each column once by flinc_out_put_...(), flinc_out_end_row(). */
    int (*poll)(void *reader, flinc_out *out, flinc_poll *ret, flinc_connector_error *error);
    /* Adds one run of bytes: where to go on behind the last row that was written. */
    int (*position)(void *reader, flinc_connector_bytes *ret_position,
                    flinc_connector_error *error);
    void (*close)(void *reader);
} flinc_connector_source;

/* ---- sinks ---- */

enum flinc_row_kinds { /* sets of them */
                       FLINC_ROWS_INSERT = 1,
                       FLINC_ROWS_UPDATE_BEFORE = 2,
                       FLINC_ROWS_UPDATE_AFTER = 4,
                       FLINC_ROWS_DELETE = 8
};

/* Two phases: what was written is prepared at a checkpoint's barrier, as bytes that say how to commit it (a transaction's id, names
 * of files), and committed when the checkpoint is complete.  After a failure what a checkpoint holds is committed again: that must
 * change nothing when it was done before.  What belongs to no checkpoint is aborted, or was forgotten with its process: open()
 * may clean up.  A sink without prepare() writes at least once: flush() is called at barriers. */
typedef struct flinc_connector_sink {
    uint32_t struct_size;
    uint32_t kinds; /* enum flinc_row_kinds that it takes; 0: only inserts */
    int (*open)(const flinc_connector_table *table, void **ret_writer,
                flinc_connector_error *error);
    /* Rows of a batch; kinds: 0 +I, 1 -U, 2 +U, 3 -D by physical row, NULL: all +I. */
    int (*write)(void *writer, const flinc_batch *rows, const uint8_t *kinds,
                 flinc_connector_error *error);
    /* Everything written is safe when it returns.  May be NULL. */
    int (*flush)(void *writer, flinc_connector_error *error);
    /* Adds what there is to commit: runs of bytes, or none.  Behind flush().  NULL: nothing is committed. */
    int (*prepare)(void *writer, flinc_connector_bytes *ret_committables,
                   flinc_connector_error *error);
    int (*commit)(void *writer, flinc_string committable, flinc_connector_error *error);
    void (*abort)(void *writer, flinc_string committable); /* may be NULL */
    void (*close)(void *writer);
} flinc_connector_sink;

typedef struct flinc_connector {
    uint32_t struct_size;
    uint32_t abi_version; /* FLINC_CONNECTOR_ABI_VERSION */
    const char *name;     /* of 'connector' = '...': lower-case letters, digits, '-', '_' */
    const char *description;
    uint32_t option_size; /* sizeof(flinc_table_option) */
    const flinc_table_option *options;
    /* What no option alone shows.  When a table is made and when it is used.  May be NULL. */
    int (*validate)(const flinc_connector_table *table, flinc_connector_error *error);
    const flinc_connector_source *source; /* NULL: cannot be read */
    const flinc_connector_sink *sink;     /* NULL: cannot be written */
} flinc_connector;

typedef const flinc_connector *(*flinc_connector_entry)(void);
#define FLINC_CONNECTOR_ENTRY_SYMBOL "flinc_connector_entry_v1"
#ifdef __cplusplus
#define FLINC_CONNECTOR_EXTERN extern "C"
#else
#define FLINC_CONNECTOR_EXTERN extern
#endif
/* Once in a plug-in, outside of functions. */
#define FLINC_CONNECTOR(connector)                                                          \
    FLINC_CONNECTOR_EXTERN FLINC_API const flinc_connector *flinc_connector_entry_v1(void); \
    const flinc_connector *flinc_connector_entry_v1(void)                                   \
    {                                                                                       \
        return &(connector);                                                                \
    }                                                                                       \
    typedef int flinc_connector_needs_semicolon_

#ifdef __cplusplus
}
#endif

#endif
