/* Records of state as bytes of the row codec and back, in nanoseconds of CPU per record: what state on disk pays
 * for each value that it reads or writes.  Batches of 2,048 records of changing numbers; strings of 5 to 20
 * bytes.
 *
 * The limit is a program written for two BIGINT columns: a byte in front, no NULLs, two numbers of variable
 * length in a loop of bytes. */
#include "bench/report.h"
#include "engine/state/record_row.h"
#include "flinc/base.h"

enum {
    ROWS = 2048,
    TRIALS = 7, /* the best counts: other work runs on the machine */
    ROUNDS = 400,
};

static struct bench_report report;

/* Records of a schema and their bytes. */
struct subject {
    struct schema *schema;
    struct record_layout layout;
    struct record_row row;
    struct state_heap heap;
    struct rng rng;
    char *records, *kept;
    struct str bytes;
    uint32_t ends[ROWS + 1];
    char texts[ROWS][32];
};

static void fill(struct subject *s)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        char *record = s->records + (size_t)i * s->layout.size;
        for (uint32_t k = 0; k < s->layout.n_fields; k++) {
            const struct record_field *f = &s->layout.fields[k];
            /* Keys of ten millions, counts of thousands, times of today. */
            int64_t v = k == 0   ? (int64_t)rng_below(&s->rng, 10000000)
                        : k == 1 ? (int64_t)rng_below(&s->rng, 5000)
                                 : INT64_C(1700000000000) + (int64_t)i;
            if (record_field_is_string(f)) {
                size_t len = 5 + (size_t)rng_below(&s->rng, 16);
                memset(s->texts[i], 'a' + (int)(i % 26), len);
                *(flinc_string *)(void *)(record + f->offset) = (flinc_string){s->texts[i], len};
            } else {
                memcpy(record + f->offset, &v, MIN(f->width, (uint32_t)sizeof(v)));
            }
        }
    }
}

static void open_subject(struct subject *s, const char *schema)
{
    memset(s, 0, sizeof(*s));
    rng_init(&s->rng, 1);
    int rc = schema_parse(slice_cstr(schema), &s->schema, NULL);
    ASSERT(rc == 0);
    rc = record_layout_init(&s->layout, s->schema, NULL);
    ASSERT(rc == 0);
    record_row_init(&s->row, &s->layout);
    state_heap_init(&s->heap, NULL);
    s->records = mem_zalloc((size_t)ROWS * s->layout.size);
    s->kept = mem_zalloc((size_t)ROWS * s->layout.size);
    fill(s);
}

static void close_subject(struct subject *s)
{
    record_row_fini(&s->row);
    record_layout_fini(&s->layout);
    state_heap_fini(&s->heap);
    schema_unref(s->schema);
    mem_free(s->records);
    mem_free(s->kept);
    str_fini(&s->bytes);
}

static void encode_all(struct subject *s)
{
    str_clear(&s->bytes);
    for (uint32_t i = 0; i < ROWS; i++) {
        int rc =
            record_row_encode(&s->row, s->records + (size_t)i * s->layout.size, &s->bytes, NULL);
        ASSERT(rc == 0);
        s->ends[i + 1] = (uint32_t)s->bytes.len;
    }
}

static void decode_all(struct subject *s)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        int rc = record_row_decode(&s->row, &s->heap, s->bytes.data + s->ends[i],
                                   s->ends[i + 1] - s->ends[i],
                                   s->kept + (size_t)i * s->layout.size, NULL);
        ASSERT(rc == 0);
    }
}

/* ---- the limit --------------------------------------------------------------------------------- */

static inline uint8_t *plain_put(uint8_t *to, int64_t v)
{
    uint64_t folded = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    for (; folded >= 128; folded >>= 7) {
        *to++ = (uint8_t)(folded | 128);
    }
    *to++ = (uint8_t)folded;
    return to;
}

static inline const uint8_t *plain_get(const uint8_t *from, int64_t *ret)
{
    uint64_t folded = 0;
    for (uint32_t shift = 0;; shift += 7) {
        folded |= (uint64_t)(*from & 127) << shift;
        if (*from++ < 128) {
            break;
        }
    }
    *ret = (int64_t)(folded >> 1) ^ -(int64_t)(folded & 1);
    return from;
}

static void plain_encode(struct subject *s)
{
    str_reserve(&s->bytes, (size_t)ROWS * 32);
    uint8_t *to = (uint8_t *)s->bytes.data;
    for (uint32_t i = 0; i < ROWS; i++) {
        const int64_t *record = (const int64_t *)(const void *)(s->records + (size_t)i * 16);
        *to++ = 1;
        to = plain_put(plain_put(to, record[0]), record[1]);
        s->ends[i + 1] = (uint32_t)(to - (uint8_t *)s->bytes.data);
    }
}

static void plain_decode(struct subject *s)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        int64_t *record = (int64_t *)(void *)(s->kept + (size_t)i * 16);
        const uint8_t *from = (const uint8_t *)s->bytes.data + s->ends[i];
        ASSERT(*from == 1);
        plain_get(plain_get(from + 1, &record[0]), &record[1]);
    }
}

/* ---- measuring --------------------------------------------------------------------------------- */

static double best_ns(struct subject *s, void (*work)(struct subject *))
{
    double best = 1e9;
    for (int trial = 0; trial < TRIALS; trial++) {
        double start = bench_cpu_seconds();
        for (int round = 0; round < ROUNDS; round++) {
            work(s);
        }
        best = MIN(best, (bench_cpu_seconds() - start) * 1e9 / ROUNDS / ROWS);
    }
    return best;
}

static void measure(const char *name, const char *schema, double encode_bar, double decode_bar,
                    const double limits[2])
{
    struct subject *s = MEM_NEW(struct subject);
    char title[80];
    open_subject(s, schema);
    snprintf(title, sizeof(title), "record to bytes, %s", name);
    bench_report_add(&report, title, best_ns(s, encode_all), "ns", encode_bar, limits[0],
                     BENCH_LESS_IS_BETTER);
    snprintf(title, sizeof(title), "bytes to record in state, %s", name);
    bench_report_add(&report, title, best_ns(s, decode_all), "ns", decode_bar, limits[1],
                     BENCH_LESS_IS_BETTER);
    close_subject(s);
    mem_free(s);
}

int main(void)
{
    static const double none[2];
    double limits[2];
    struct subject *s = MEM_NEW(struct subject);
    open_subject(s, "ROW<a BIGINT NOT NULL, b BIGINT NOT NULL>");
    limits[0] = best_ns(s, plain_encode);
    limits[1] = best_ns(s, plain_decode);
    ASSERT(memcmp(s->records, s->kept, (size_t)ROWS * 16) == 0);
    close_subject(s);
    mem_free(s);
    measure("a BIGINT", "ROW<a BIGINT NOT NULL>", 0, 0, none);
    measure("two BIGINT", "ROW<a BIGINT NOT NULL, b BIGINT NOT NULL>", 15, 20, limits);
    measure("two nullable BIGINT", "ROW<a BIGINT, b BIGINT>", 0, 0, none);
    measure("BIGINT, INT, TIMESTAMP, DOUBLE",
            "ROW<a BIGINT, b INT, t TIMESTAMP(3) NOT NULL, d DOUBLE>", 0, 0, none);
    measure("BIGINT, STRING", "ROW<a BIGINT, s STRING>", 0, 0, none);
    bench_report_print(&report);
    return 0;
}
