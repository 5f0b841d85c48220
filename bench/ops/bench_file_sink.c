/* The file sink alone: short records (two numbers, two words) from batches made beforehand into files on tmpfs ($BENCH_TMPFS, else
 * /dev/shm), per CPU second of its one thread: CSV and JSON lines, into one bucket and into 100 by a function.  The limit is a
 * plain loop over structs that writes the same lines, digit by digit, into one buffer and that to one file. */
#include "bench/report.h"
#include "common/fs/fs.h"
#include "engine/data/builder.h"
#include "engine/operators/harness.h"
#include "flinc/types.h"
#include "proto/operators.pb-c.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = BATCH_ROWS_TARGET, RING = 64, ROUNDS = 24, REPEATS = 5, BUCKETS = 100 };

FLINC_STRUCT(sale, FLINC_INT64(id), FLINC_STRING(word), FLINC_INT32(bucket), FLINC_STRING(state));

static char folder[256];
static sale sale_at(int64_t i)
{
    static const char *const words[] = {"alpha", "be", "gamma rays", "delta", "epsilon"};
    static const char *const states[] = {"new", "paid", "sent"};
    return (sale){.id = i * 7919,
                  .word = FLINC_STR(words[i % 5]),
                  .bucket = (int32_t)(i * 31 % BUCKETS),
                  .state = FLINC_STR(states[i % 3])};
}

static int to_bucket(flinc_ctx *ctx, const sale *in, flinc_text *out)
{
    char text[2] = {(char)('0' + in->bucket / 10), (char)('0' + in->bucket % 10)};
    flinc_text_append(out, text, sizeof(text));
    return 0;
}

struct run {
    struct harness *h;
    struct batch *batches[RING];
};

static void make_batches(struct run *r)
{
    struct builder b;
    int64_t id = 0;
    builder_init(&b, harness_pool(r->h), harness_input_schema(r->h, 0), ROWS);
    for (int k = 0; k < RING; k++) {
        for (int i = 0; i < ROWS; i++) {
            sale v = sale_at(id++);
            builder_begin(&b);
            flinc_out_put_int64(&b.out, 0, v.id);
            flinc_out_put_string(&b.out, 1, v.word);
            flinc_out_put_int32(&b.out, 2, v.bucket);
            flinc_out_put_string(&b.out, 3, v.state);
            builder_end_row(&b);
        }
        r->batches[k] = builder_finish(&b);
    }
    builder_fini(&b);
}

static Flinc__StructDesc *sale_desc(Flinc__StructDesc *d, Flinc__StructField *items,
                                    Flinc__StructField **pointers)
{
    flinc__struct_desc__init(d);
    d->size = sizeof(sale);
    d->fields = pointers;
    d->n_fields = FLINC_TYPE(sale)->n_fields;
    for (uint32_t i = 0; i < d->n_fields; i++) {
        const flinc_field *f = &FLINC_TYPE(sale)->fields[i];
        flinc__struct_field__init(&items[i]);
        items[i].name = (char *)(uintptr_t)f->name;
        items[i].kind = f->kind;
        items[i].offset = f->offset;
        items[i].null_offset = f->null_offset;
        pointers[i] = &items[i];
    }
    return d;
}

/* Bytes of all files, which are removed. */
static uint64_t take_files(const char *path)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    uint64_t bytes = 0;
    bench_check(fs_list_dir(path, &list, &err), &err);
    for (size_t i = 0; i < list.n; i++) {
        bytes += list.entries[i].status.kind == FS_KIND_DIRECTORY
                     ? take_files(list.entries[i].path)
                     : list.entries[i].status.size_bytes;
    }
    fs_list_fini(&list);
    return bytes;
}

static struct harness *sink_new(const char *format, bool bucketed)
{
    static Flinc__StructField items[8], *pointers[8];
    static Flinc__StructDesc desc;
    Flinc__FileSinkConfig c = FLINC__FILE_SINK_CONFIG__INIT;
    Flinc__FileRolling rolling = FLINC__FILE_ROLLING__INIT;
    Flinc__FileBuckets buckets = FLINC__FILE_BUCKETS__INIT;
    struct error err = ERROR_INIT;
    struct harness *h;
    c.path = folder;
    c.run_id = (char *)(uintptr_t) "00000000";
    c.part_prefix = (char *)(uintptr_t) "part";
    c.format = (char *)(uintptr_t)format;
    c.rolling = &rolling;
    c.buckets = &buckets;
    c.record = sale_desc(&desc, items, pointers);
    struct harness_options o = {.kind = "flinc.sink.file",
                                .config = &c.base,
                                .inputs = {FLINC_TYPE(sale)},
                                .flags = OP_FLAG_INPUTS_BOUNDED};
    if (bucketed) {
        buckets.kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION;
        o.functions[0] = (struct harness_function){
            .kind = FLINC_FN_BUCKET, .call = (flinc_any_fn)to_bucket, .name = "to_bucket"};
    }
    bench_check(harness_new(&o, &h, &err), &err);
    bench_check(harness_open(h, &err), &err);
    return h;
}

/* One life of a sink: open to commit. */
static double run_once(const char *format, bool bucketed, uint64_t *ret_bytes,
                       uint64_t *ret_mallocs)
{
    struct run r = {.h = sink_new(format, bucketed)};
    struct error err = ERROR_INIT;
    make_batches(&r);
    double t = bench_cpu_seconds();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t mallocs = mem_thread_allocations();
        for (int k = 0; k < RING; k++) {
            struct batch *b = batch_make_unique(harness_pool(r.h), batch_ref(r.batches[k]));
            bench_check(harness_push(r.h, 0, b, &err), &err);
        }
        *ret_mallocs = mem_thread_allocations() - mallocs;
    }
    bench_check(harness_end_of_input(r.h, 0, &err), &err);
    t = bench_cpu_seconds() - t;
    for (int k = 0; k < RING; k++) {
        batch_unref(r.batches[k]);
    }
    harness_free(r.h);
    *ret_bytes = take_files(folder);
    bench_check(fs_delete(folder, FS_DELETE_RECURSIVE, &err), &err);
    return t;
}

/* The same lines by a plain program. */
static double plain_once(uint64_t *ret_bytes)
{
    static sale records[RING * ROWS];
    static char out[256 * 1024];
    size_t n = 0;
    char path[300];
    for (int64_t i = 0; i < RING * ROWS; i++) {
        records[i] = sale_at(i);
    }
    snprintf(path, sizeof(path), "%s.plain", folder);
    *ret_bytes = 0;
    double t = bench_cpu_seconds();
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (int round = 0; round < ROUNDS; round++) {
        for (int64_t i = 0; i < RING * ROWS; i++) {
            const sale *v = &records[i];
            uint64_t numbers[2] = {(uint64_t)v->id, (uint64_t)v->bucket};
            flinc_string words[2] = {v->word, v->state};
            for (int k = 0; k < 2; k++) {
                char digits[20];
                int d = sizeof(digits);
                do {
                    digits[--d] = (char)('0' + numbers[k] % 10);
                    numbers[k] /= 10;
                } while (numbers[k] > 0);
                memcpy(out + n, digits + d, sizeof(digits) - (size_t)d);
                n += sizeof(digits) - (size_t)d;
                out[n++] = ',';
                memcpy(out + n, words[k].data, words[k].len);
                n += words[k].len;
                out[n++] = k == 0 ? ',' : '\n';
            }
            if (n > sizeof(out) - 1024) {
                *ret_bytes += n;
                if (write(fd, out, n) != (ssize_t)n) {
                    exit(1);
                }
                n = 0;
            }
        }
    }
    *ret_bytes += n;
    if (write(fd, out, n) != (ssize_t)n) {
        exit(1);
    }
    close(fd);
    t = bench_cpu_seconds() - t;
    unlink(path);
    return t;
}

static void measure(struct bench_report *report, const char *format, bool bucketed, double bar,
                    double limit)
{
    const double rows = (double)ROWS * RING * ROUNDS;
    uint64_t bytes = 0, mallocs = 0;
    double best = 1e9;
    char name[80];
    for (int i = 0; i < REPEATS; i++) {
        double t = run_once(format, bucketed, &bytes, &mallocs);
        best = t < best ? t : best;
    }
    snprintf(name, sizeof(name), "file sink, %s into %d", format, bucketed ? BUCKETS : 1);
    bench_report_add(report, name, rows / best * 1e-6, "M rows/s per core", bar, limit,
                     BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "file sink, %s into %d, bytes", format, bucketed ? BUCKETS : 1);
    bench_report_add(report, name, (double)bytes / best * 1e-6, "MB/s per core", 0, 0,
                     BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "file sink, %s into %d, mallocs", format, bucketed ? BUCKETS : 1);
    bench_report_add(report, name, (double)mallocs * 1000 / RING, "per 1000 batches", 0, 0,
                     BENCH_LESS_IS_BETTER);
}

int main(void)
{
    static struct bench_report report;
    const char *tmpfs = getenv("BENCH_TMPFS");
    const double rows = (double)ROWS * RING * ROUNDS;
    double plain = 1e9;
    uint64_t bytes;
    snprintf(folder, sizeof(folder), "%s/flinc-bench-files-%d", tmpfs != NULL ? tmpfs : "/dev/shm",
             getpid());
    for (int i = 0; i < REPEATS; i++) {
        double t = plain_once(&bytes);
        plain = t < plain ? t : plain;
    }
    measure(&report, "csv", false, 4, rows / plain * 1e-6);
    measure(&report, "csv", true, 0, 0);
    measure(&report, "json", false, 0, 0);
    measure(&report, "json", true, 0, 0);
    bench_report_print(&report);
    return 0;
}
