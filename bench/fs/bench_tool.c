/* Files by URI, from a shell: what tests and comparisons with other clients use.
 *
 *   fs_tool [-Dkey=value ...] put FILE URI | get URI FILE | stat URI | ls URI | rm URI | rmr URI | mv URI URI | new FILE URI
 *                             | write BYTES URI | read URI      -- from memory, and to nowhere
 *
 * Prints one line per result, or the error, and then is 1. */
#include "common/base/clock.h"
#include "common/fs/drivers/drivers.h"
#include "common/fs/fs.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE_BYTES = 1024 * 1024 };

static void say(uint64_t size, int64_t begin_ns)
{
    double s = (double)(clock_monotonic_ns(&clock_system) - begin_ns) * 1e-9;
    printf("%llu bytes, %.0f MB/s, %.2f CPU s\n", (unsigned long long)size, (double)size / 1e6 / s,
           (double)clock_process_cpu_ns() * 1e-9);
}

static int copy(const char *from, const char *to, enum fs_write_mode mode, struct error *err)
{
    struct fs_input *in;
    struct fs_output *out;
    TRY(fs_open(from, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = fs_create(to, mode, &out, err);
    if (rc < 0) {
        fs_input_close(in);
        return rc;
    }
    int64_t begin_ns = clock_monotonic_ns(&clock_system);
    uint64_t at = 0, size = fs_input_size(in);
    char *bytes = mem_alloc(PIECE_BYTES);
    while (at < size && rc == 0) {
        size_t n = 0;
        rc = fs_input_read_at(in, at, bytes, PIECE_BYTES, &n, err);
        rc = rc == 0 ? fs_output_write(out, bytes, n, err) : rc;
        at += n;
    }
    mem_free(bytes);
    fs_input_close(in);
    if (rc < 0) {
        fs_output_abandon(out);
        return rc;
    }
    TRY(fs_output_close(&out, err));
    say(size, begin_ns);
    return 0;
}

static int write_from_memory(uint64_t size, const char *to, struct error *err)
{
    struct fs_output *out;
    struct rng random;
    int64_t begin_ns = clock_monotonic_ns(&clock_system);
    TRY(fs_create(to, FS_OVERWRITE, &out, err));
    uint64_t *bytes = mem_alloc(PIECE_BYTES);
    int rc = 0;
    rng_init(&random, 1);
    for (size_t i = 0; i < PIECE_BYTES / sizeof(*bytes); i++) {
        bytes[i] = rng_next(&random);
    }
    for (uint64_t at = 0; at < size && rc == 0; at += PIECE_BYTES) {
        rc = fs_output_write(out, bytes, (size_t)MIN(size - at, (uint64_t)PIECE_BYTES), err);
    }
    mem_free(bytes);
    if (rc < 0) {
        fs_output_abandon(out);
        return rc;
    }
    TRY(fs_output_close(&out, err));
    say(size, begin_ns);
    return 0;
}

static int read_to_nowhere(const char *from, struct error *err)
{
    struct fs_input *in;
    int64_t begin_ns = clock_monotonic_ns(&clock_system);
    TRY(fs_open(from, FS_ACCESS_SEQUENTIAL, &in, err));
    uint64_t size = fs_input_size(in);
    char *bytes = mem_alloc(PIECE_BYTES);
    int rc = 0;
    for (uint64_t at = 0; at < size && rc == 0;) {
        size_t n = 0;
        rc = fs_input_read_at(in, at, bytes, PIECE_BYTES, &n, err);
        at += n;
    }
    mem_free(bytes);
    fs_input_close(in);
    if (rc == 0) {
        say(size, begin_ns);
    }
    return rc;
}

static void print(const char *path, const struct fs_status *s)
{
    printf("%s %llu %s\n", fs_kind_name(s->kind), (unsigned long long)s->size_bytes, path);
}

static int run(int argc, char **argv, struct error *err)
{
    const char *what = argv[1], *first = argv[2], *second = argc > 3 ? argv[3] : "";
    if (strcmp(what, "put") == 0 || strcmp(what, "get") == 0) {
        return copy(first, second, FS_OVERWRITE, err);
    }
    if (strcmp(what, "new") == 0) {
        return copy(first, second, FS_CREATE_NEW, err);
    }
    if (strcmp(what, "write") == 0) {
        return write_from_memory(strtoull(first, NULL, 10), second, err);
    }
    if (strcmp(what, "read") == 0) {
        return read_to_nowhere(first, err);
    }
    if (strcmp(what, "stat") == 0) {
        struct fs_status s;
        TRY(fs_stat(first, &s, err));
        print(first, &s);
        return 0;
    }
    if (strcmp(what, "ls") == 0) {
        struct fs_list list = FS_LIST_INIT;
        int rc = fs_is_glob(first) ? fs_glob(first, &list, err) : fs_list_dir(first, &list, err);
        for (size_t i = 0; i < list.n && rc == 0; i++) {
            print(list.entries[i].path, &list.entries[i].status);
        }
        fs_list_fini(&list);
        return rc;
    }
    if (strcmp(what, "mv") == 0) {
        return fs_rename(first, second, err);
    }
    if (strcmp(what, "rm") == 0 || strcmp(what, "rmr") == 0) {
        return fs_delete(first, what[2] == 'r' ? FS_DELETE_RECURSIVE : FS_DELETE_ONE, err);
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "unknown: %s", what);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct conf conf;
    conf_init(&conf, NULL);
    int rc = conf_take_dynamic_args(&conf, &argc, argv, &err);
    rc = rc == 0 ? file_systems_register(&conf, &err) : rc;
    if (rc == 0) {
        rc = argc >= 3 ? run(argc, argv, &err)
                       : error_set(&err, ERR_INVALID_ARGUMENT,
                                   "fs_tool put|get|new|stat|ls|mv|rm|rmr URI [URI]");
    }
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", error_code_name(rc), err.message);
    }
    file_systems_shut_down();
    conf_fini(&conf);
    return rc < 0;
}
