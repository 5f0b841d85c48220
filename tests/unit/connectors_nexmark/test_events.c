/* The events: byte for byte what the seeded variant of the public suite makes.  The golden values come from a program
 * in Java that draws from java.util.SplittableRandom itself. */
#include "nexmark_fixture.h"

#include "connectors/nexmark/words.h"
#include <math.h>

/* FNV-1a of the lines of print_event(). */
#define GOLDEN_10K UINT64_C(0xd10bf8fd05406e55)
#define GOLDEN_10M UINT64_C(0x8d5fba8e1e11ef5e)
#define GOLDEN_PROPORTIONS UINT64_C(0x2db7f9ef7eb3e428)

struct text_hash {
    uint64_t fnv;
    uint64_t rows;
    struct str *text; /* NULL: only hashed */
};

static void put(struct text_hash *h, const struct str *line)
{
    h->rows++;
    if (h->text != NULL) {
        str_append_slice(h->text, str_slice(line));
    }
    for (size_t i = 0; i < line->len; i++) {
        h->fnv = (h->fnv ^ (uint8_t)line->data[i]) * UINT64_C(0x100000001b3);
    }
}

/* "B|1000|2001|..." with times as numbers. */
static void print_event(const struct batch *b, uint32_t row, struct str *out)
{
    int32_t kind = COLUMN_VALUES(&b->columns[0], int32_t)[row];

    str_append_char(out, "PAB"[kind]);
    for (int k = 0; k < NEXMARK_KINDS; k++) {
        assert_int_equal(column_is_null(&b->columns[1 + k], row), k != kind);
    }
    const struct column *of = &b->columns[1 + kind];
    for (uint32_t i = 0; i < of->n_children; i++) {
        str_append_char(out, '|');
        assert_false(column_is_null(&of->children[i], row));
        if (of->children[i].type->layout == LAYOUT_VIEW) {
            str_append_slice(out, column_get_bytes(&of->children[i], row));
        } else {
            str_printf(out, "%lld", (long long)column_get_int(&of->children[i], row));
        }
    }
    str_append_char(out, '\n');
}

static void take(void *arg, uint32_t output, struct batch *b)
{
    struct error err = ERROR_INIT;
    STR_AUTO line = STR_INIT;

    expect_ok(batch_validate(b, &err), &err);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        str_clear(&line);
        print_event(b, i, &line);
        put(arg, &line);
    }
    batch_unref(b);
}

static void run(const char *const *options, struct text_hash *ret)
{
    struct nexmark_test t;
    struct error err = ERROR_INIT;
    int rc;

    ret->fnv = UINT64_C(0xcbf29ce484222325);
    nexmark_test_open(&t, options, &TABLE_SCAN_ALL);
    struct harness *h =
        nexmark_harness(&t, (struct harness_options){.on_batch = take, .on_batch_arg = ret});
    while ((rc = harness_poll(h, &err)) == OP_DONE) {
    }
    assert_int_equal(rc, OP_END);
    harness_free(h);
    nexmark_test_close(&t);
}

static void test_first(void **state)
{
    STR_AUTO text = STR_INIT;
    struct text_hash h = {.text = &text};

    run(PAIRS("connector", "nexmark", "events.num", "7"), &h);
    assert_int_equal(h.rows, 7);
    assert_non_null(strstr(text.data, "A|1001|yze owi|swoejrzsi mcjxhnwvog uqzehycnvemuemofvpguiyx"
                                      "jxjursriizo s|3913046|3920185|1700006350000|1700006350055|"
                                      "1004|11|`HrjekoeJ[]NZ[uejtbwTLPLKQVR"));
    assert_non_null(
        strstr(text.data, "\nB|1000|2001|89258|channel-5594|https://www.nexmark.com/qbr/kigx/rrg/"
                          "item.htm?query=1&channel_id=1537736704|1700006350000|TMOLvlrmov]WKVSWtgo"
                          "cebbnfiekUR]PTJrxpuuuJX^R^NN]JH]JnckxfmYNPLOU^\\T\n"));
}

static void test_golden(void **state)
{
    struct text_hash h = {.fnv = 0};

    run(PAIRS("connector", "nexmark", "events.num", "300000"), &h);
    assert_int_equal(h.rows, 300000);
    assert_int_equal(h.fnv, GOLDEN_10K);
    run(PAIRS("connector", "nexmark", "events.num", "100000", "first-event.rate", "10000000"), &h);
    assert_int_equal(h.fnv, GOLDEN_10M);
    run(PAIRS("connector", "nexmark", "events.num", "100000", "person.proportion", "2",
              "auction.proportion", "5", "bid.proportion", "13"),
        &h);
    assert_int_equal(h.fnv, GOLDEN_PROPORTIONS);
}

static void test_seed(void **state)
{
    struct text_hash h = {.fnv = 0}, other = {.fnv = 0}, again = {.fnv = 0};

    run(PAIRS("connector", "nexmark", "events.num", "5000", "seed", "1"), &h);
    run(PAIRS("connector", "nexmark", "events.num", "5000", "seed", "2"), &other);
    run(PAIRS("connector", "nexmark", "events.num", "5000", "seed", "1"), &again);
    assert_int_not_equal(h.fnv, other.fnv);
    assert_int_equal(h.fnv, again.fnv);
}

/* Sizes, ratios and proportions at their ends. */
static void test_odd_settings(void **state)
{
    struct text_hash h = {.fnv = 0};

    run(PAIRS("connector", "nexmark", "events.num", "3000", "person.avg-size", "0 b",
              "auction.avg-size", "512 kb", "bid.avg-size", "32 b"),
        &h);
    run(PAIRS("connector", "nexmark", "events.num", "3000", "bid.avg-size", "40 b",
              "bid.hot-ratio.auctions", "1", "bid.hot-ratio.bidders", "3",
              "auction.hot-ratio.sellers", "1000000"),
        &h);
    run(PAIRS("connector", "nexmark", "events.num", "3000", "bid.avg-size", "0 b",
              "person.proportion", "700", "auction.proportion", "1", "bid.proportion", "1"),
        &h);
    run(PAIRS("connector", "nexmark", "events.num", "3000", "first-event.rate", "1",
              "auction.proportion", "1", "bid.proportion", "1000000"),
        &h);
    assert_int_equal(h.rows, 12000);
}

static void test_remainder(void **state)
{
    static const uint32_t bounds[] = {1,  2,   3,    7,     10,      13,        26,
                                      28, 111, 1010, 10000, 1048522, 2147483647};
    uint64_t s = 1;

    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        struct random_bound b = random_bound_of(bounds[i]);
        for (int k = 0; k < 10000; k++) {
            uint32_t u = (uint32_t)random_int(&s);
            assert_int_equal(random_remainder(u, &b), u % bounds[i]);
        }
        assert_int_equal(random_remainder(UINT32_MAX, &b), UINT32_MAX % bounds[i]);
    }
}

static void test_prices(void **state)
{
    uint64_t s = 7;
    double u[1000];
    int64_t price[1000];

    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 1000; i++) {
            u[i] = random_double(&s);
        }
        if (round == 0) { /* on the edge of rounding, and the ends */
            for (int i = 0; i < 500; i++) {
                u[i] = log10((100 + i * i + 0.5) / 100) / 6;
            }
            u[500] = 0;
            u[501] = 1 - 0x1p-53;
        }
        nexmark_prices(u, 1000, price);
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(price[i], (int64_t)floor(pow(10.0, u[i] * 6) * 100 + 0.5));
        }
    }
}

static void test_count(void **state)
{
    Flinc__NexmarkSourceConfig c = FLINC__NEXMARK_SOURCE_CONFIG__INIT;
    struct nexmark_model m;
    struct error err = ERROR_INIT;

    c.rate = 1;
    c.person_proportion = 2;
    c.auction_proportion = 3;
    c.bid_proportion = 6;
    c.hot_auctions = c.hot_bidders = c.hot_sellers = 1;
    expect_ok(nexmark_model_init(&m, &c, &err), &err);
    int64_t n[NEXMARK_KINDS] = {0};
    for (int64_t k = 0; k < 100; k++) {
        for (int kind = 0; kind < NEXMARK_KINDS; kind++) {
            assert_int_equal(nexmark_count(&m, kind, k), n[kind]);
        }
        int64_t place = (k + 2) % 11;
        n[place < 2 ? 0 : place < 5 ? 1 : 2]++;
    }
    c.rate = 0;
    expect_error(nexmark_model_init(&m, &c, &err), ERR_INVALID_CONFIG, &err, "damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),     cmocka_unit_test(test_golden),
        cmocka_unit_test(test_seed),      cmocka_unit_test(test_odd_settings),
        cmocka_unit_test(test_remainder), cmocka_unit_test(test_prices),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
