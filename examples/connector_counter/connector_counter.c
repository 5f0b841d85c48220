/* The connector `counter`: a source of the numbers 0 to count - 1 in splits, and a sink that writes numbers to files of a folder, each
 * number once.
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) examples/connector_counter/connector_counter.c -o plugins/counter/connector_counter.so
 *
 *   CREATE TABLE numbers (i BIGINT) WITH ('connector' = 'counter', 'count' = '1000', 'splits' = '4');
 *   CREATE TABLE files (i BIGINT) WITH ('connector' = 'counter', 'path' = '/tmp/numbers');
 *   INSERT INTO files SELECT i FROM numbers;
 *
 * docs/guide/plugins.md explains it. */
#include <flinc/connector.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { POLL_ROWS = 1000, PATH_BYTES = 4096, NAME_BYTES = 200 };

static const flinc_table_option counter_options[] = {
    {"count", FLINC_TABLE_OPTION_LONG, NULL, NULL, "0", NULL,
     "How many numbers there are; a source has it.", FLINC_TABLE_OPTION_FORWARDED},
    {"splits", FLINC_TABLE_OPTION_INT, "4", NULL, "1", "10000", "In how many parts they are read.",
     0},
    {"rows-per-second", FLINC_TABLE_OPTION_LONG, "0", NULL, "0", NULL,
     "Of each split at most; 0: as fast as it goes.", FLINC_TABLE_OPTION_FORWARDED},
    {"path", FLINC_TABLE_OPTION_STRING, NULL, NULL, NULL, NULL,
     "The folder that a sink writes to; it is made when it is missing.", 0},
    {NULL, FLINC_TABLE_OPTION_STRING, NULL, NULL, NULL, NULL, NULL, 0},
};

static int64_t number_of(const flinc_connector_table *table, const char *option)
{
    const char *text = table->get(table, option);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static int counter_validate(const flinc_connector_table *table, flinc_connector_error *error)
{
    if (table->n_columns != 1 || strncmp(table->types[0], "BIGINT", 6) != 0) {
        return flinc_connector_fail(error, FLINC_CONNECTOR_INVALID,
                                    "a table of numbers has one column, a BIGINT");
    }
    if (table->get(table, "count") == NULL && table->get(table, "path") == NULL) {
        return flinc_connector_fail(
            error, FLINC_CONNECTOR_INVALID,
            "it has neither 'count' (to be read) nor 'path' (to be written)");
    }
    return FLINC_CONNECTOR_OK;
}

/* ---- source ------------------------------------------------------------------------------------------ */

/* Also a split: where it begins and ends. */
struct range {
    int64_t next, end;
};

struct reader {
    struct range range;
    int64_t per_second;
    int64_t started_ms, first; /* when it was opened, and with which number */
};

static int64_t clock_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int source_splits(const flinc_connector_table *table, flinc_connector_bytes *ret_splits,
                         flinc_connector_error *error)
{
    const int64_t count = number_of(table, "count"), n = number_of(table, "splits");
    if (table->get(table, "count") == NULL) {
        return flinc_connector_fail(error, FLINC_CONNECTOR_INVALID,
                                    "the option 'count' is missing: how many numbers are there?");
    }
    for (int64_t i = 0; i < n; i++) {
        struct range r;
        r.next = count / n * i + (i < count % n ? i : count % n);
        r.end = r.next + count / n + (i < count % n);
        ret_splits->add(ret_splits, &r, sizeof(r));
    }
    return FLINC_CONNECTOR_OK;
}

static int source_open(const flinc_connector_table *table, flinc_string split,
                       const flinc_string *position, flinc_connector_waker *waker,
                       void **ret_reader, flinc_connector_error *error)
{
    struct reader *r = (struct reader *)calloc(1, sizeof(*r));
    (void)waker;
    if (r == NULL) {
        return flinc_connector_fail(error, FLINC_CONNECTOR_UNAVAILABLE, "there is no memory");
    }
    if (split.len != sizeof(r->range) || (position != NULL && position->len != sizeof(int64_t))) {
        free(r);
        return flinc_connector_fail(error, FLINC_CONNECTOR_CORRUPT,
                                    "a split has %zu bytes: it is of another version", split.len);
    }
    memcpy(&r->range, split.data, sizeof(r->range));
    if (position != NULL) {
        memcpy(&r->range.next, position->data, sizeof(r->range.next));
    }
    r->per_second = number_of(table, "rows-per-second");
    r->started_ms = clock_ms();
    r->first = r->range.next;
    *ret_reader = r;
    return FLINC_CONNECTOR_OK;
}

/* How many may go out now. */
static int64_t allowance(const struct reader *r)
{
    const int64_t due = (clock_ms() - r->started_ms + 1) * r->per_second / 1000;
    return r->per_second == 0 ? POLL_ROWS : r->first + due - r->range.next;
}

static int source_poll(void *reader, flinc_out *out, flinc_poll *ret, flinc_connector_error *error)
{
    struct reader *r = (struct reader *)reader;
    int64_t n = allowance(r);
    (void)error;
    n = n < r->range.end - r->range.next ? n : r->range.end - r->range.next;
    n = n < (int64_t)ret->max_rows ? n : (int64_t)ret->max_rows;
    for (int64_t i = 0; i < n; i++) {
        flinc_out_begin_row(out);
        flinc_out_put_int64(out, 0, r->range.next);
        if (flinc_out_end_row(out) != 0) {
            return FLINC_CONNECTOR_UNAVAILABLE;
        }
        r->range.next++;
    }
    ret->state = r->range.next == r->range.end ? FLINC_POLL_END
                 : n > 0                       ? FLINC_POLL_MORE
                                               : FLINC_POLL_WAIT;
    ret->wait_ms = 10;
    return FLINC_CONNECTOR_OK;
}

static int source_position(void *reader, flinc_connector_bytes *ret_position,
                           flinc_connector_error *error)
{
    const struct reader *r = (const struct reader *)reader;
    (void)error;
    ret_position->add(ret_position, &r->range.next, sizeof(r->range.next));
    return FLINC_CONNECTOR_OK;
}

static const flinc_connector_source counter_source = {
    .struct_size = sizeof(counter_source),
    .splits = source_splits,
    .open = source_open,
    .poll = source_poll,
    .position = source_position,
    .close = free,
};

/* ---- sink -------------------------------------------------------------------------------------------- */

/* Numbers go to a hidden file, which is renamed when its checkpoint is complete. */
struct writer {
    char folder[PATH_BYTES];
    uint32_t subtask;
    uint64_t n_files;
    FILE *file;            /* NULL: none was begun */
    char name[NAME_BYTES]; /* of the file, without the dot that hides it */
};

static int failed(flinc_connector_error *error, const char *doing, const char *path)
{
    return flinc_connector_fail(error, FLINC_CONNECTOR_UNAVAILABLE, "%s %s: %s", doing, path,
                                strerror(errno));
}

static int sink_open(const flinc_connector_table *table, void **ret_writer,
                     flinc_connector_error *error)
{
    const char *path = table->get(table, "path");
    struct writer *w;
    if (path == NULL || strlen(path) > PATH_BYTES - NAME_BYTES) {
        return flinc_connector_fail(error, FLINC_CONNECTOR_INVALID,
                                    "the option 'path' is missing or too long: a folder");
    }
    if (mkdir(path, 0777) < 0 && errno != EEXIST) {
        return failed(error, "making the folder", path);
    }
    w = (struct writer *)calloc(1, sizeof(*w));
    if (w == NULL) {
        return flinc_connector_fail(error, FLINC_CONNECTOR_UNAVAILABLE, "there is no memory");
    }
    (void)snprintf(w->folder, sizeof(w->folder), "%s", path);
    w->subtask = table->subtask;
    *ret_writer = w;
    return FLINC_CONNECTOR_OK;
}

/* A name that no other attempt has. */
static int begin_file(struct writer *w, flinc_connector_error *error)
{
    char path[PATH_BYTES + NAME_BYTES + 3];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(w->name, sizeof(w->name), "part-%u-%lld%09ld-%ld-%llu", w->subtask,
                   (long long)now.tv_sec, now.tv_nsec, (long)getpid(),
                   (unsigned long long)w->n_files++);
    (void)snprintf(path, sizeof(path), "%s/.%s", w->folder, w->name);
    w->file = fopen(path, "wx");
    return w->file != NULL ? FLINC_CONNECTOR_OK : failed(error, "making", path);
}

static int sink_write(void *writer, const flinc_batch *rows, const uint8_t *kinds,
                      flinc_connector_error *error)
{
    struct writer *w = (struct writer *)writer;
    const flinc_column *column = &rows->columns[0];
    (void)kinds; /* only inserts come */
    if (w->file == NULL && begin_file(w, error) != FLINC_CONNECTOR_OK) {
        return FLINC_CONNECTOR_UNAVAILABLE;
    }
    for (uint32_t i = 0; i < rows->n_selected; i++) {
        const uint32_t row = flinc_batch_row(rows, i);
        if (column->validity != NULL && ((column->validity[row >> 3] >> (row & 7)) & 1) == 0) {
            (void)fprintf(w->file, "NULL\n");
        } else {
            (void)fprintf(w->file, "%lld\n", (long long)flinc_batch_int64(rows, 0)[row]);
        }
    }
    return ferror(w->file) == 0 ? FLINC_CONNECTOR_OK : failed(error, "writing", w->name);
}

static int sink_prepare(void *writer, flinc_connector_bytes *ret_committables,
                        flinc_connector_error *error)
{
    struct writer *w = (struct writer *)writer;
    FILE *file = w->file;
    if (file == NULL) {
        return FLINC_CONNECTOR_OK;
    }
    w->file = NULL;
    if (fflush(file) != 0 || fsync(fileno(file)) < 0) {
        (void)fclose(file);
        return failed(error, "writing", w->name);
    }
    if (fclose(file) != 0) {
        return failed(error, "closing", w->name);
    }
    ret_committables->add(ret_committables, w->name, strlen(w->name));
    return FLINC_CONNECTOR_OK;
}

/* Again is fine: the file has its name then. */
static int sink_commit(void *writer, flinc_string committable, flinc_connector_error *error)
{
    const struct writer *w = (const struct writer *)writer;
    char from[PATH_BYTES + NAME_BYTES + 3], to[PATH_BYTES + NAME_BYTES + 3];
    const int len = (int)(committable.len < NAME_BYTES ? committable.len : NAME_BYTES - 1);
    (void)snprintf(from, sizeof(from), "%s/.%.*s", w->folder, len, committable.data);
    (void)snprintf(to, sizeof(to), "%s/%.*s", w->folder, len, committable.data);
    if (rename(from, to) == 0 || (errno == ENOENT && access(to, F_OK) == 0)) {
        return FLINC_CONNECTOR_OK;
    }
    return failed(error, "committing", from);
}

static void sink_abort(void *writer, flinc_string committable)
{
    const struct writer *w = (const struct writer *)writer;
    char path[PATH_BYTES + NAME_BYTES + 3];
    (void)snprintf(path, sizeof(path), "%s/.%.*s", w->folder,
                   (int)(committable.len < NAME_BYTES ? committable.len : NAME_BYTES - 1),
                   committable.data);
    (void)unlink(path);
}

static void sink_close(void *writer)
{
    struct writer *w = (struct writer *)writer;
    if (w->file != NULL) {
        flinc_string name;
        (void)fclose(w->file);
        name.data = w->name;
        name.len = strlen(w->name);
        sink_abort(w, name);
    }
    free(w);
}

static const flinc_connector_sink counter_sink = {
    .struct_size = sizeof(counter_sink),
    .kinds = FLINC_ROWS_INSERT,
    .open = sink_open,
    .write = sink_write,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .abort = sink_abort,
    .close = sink_close,
};

/* ---- both ---------------------------------------------------------------------------------------------- */

static const flinc_connector counter = {
    .struct_size = sizeof(counter),
    .abi_version = FLINC_CONNECTOR_ABI_VERSION,
    .name = "counter",
    .description = "Numbers, and files of them",
    .option_size = sizeof(flinc_table_option),
    .options = counter_options,
    .validate = counter_validate,
    .source = &counter_source,
    .sink = &counter_sink,
};
FLINC_CONNECTOR(counter);
