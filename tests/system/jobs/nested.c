/* Arrays, maps and rows in streams, in every kind of state, in windows and joins.  Order n of a key has items that
 * follow from n; whoever keeps an order says VIOLATION when the items are not those of its n.  The output is
 *   R key n    the n-th order of a key, by its count in the state
 *   L key n    orders of a subtask, by its operator list, at its first record
 *   W key n    orders in the window of a key, which ends with the input
 *   E key n    the same behind an evictor that keeps five
 *   J key n    order n of a key, joined with itself by time
 *   C key n    orders of a key in both of two streams
 *   M key n    the greatest order of a key so far, with each of its records
 * Macros: VERSION (1, 2: fields gone, added and wider inside of nested rows; 3: one of another type). */
#include <flinc/flinc.h>
#include <flinc/row.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION 1
#endif

#define ITEMS "ARRAY<ROW<name STRING NOT NULL, pieces MAP<STRING, INT>, notes ARRAY<STRING>>>"
#if VERSION == 1
#define KEPT_ITEMS ITEMS
#elif VERSION == 2
#define KEPT_ITEMS "ARRAY<ROW<added DOUBLE, pieces MAP<STRING, BIGINT>, name STRING NOT NULL>>"
#else
#define KEPT_ITEMS "ARRAY<ROW<name STRING NOT NULL, pieces MAP<STRING, STRING>>>"
#endif
#define KEPT_ORDER "ROW<n BIGINT NOT NULL, items " KEPT_ITEMS ">"
#define TOTAL "ROW<count BIGINT NOT NULL, last " KEPT_ORDER ", history ARRAY<BIGINT NOT NULL>>"
#define TIMES "ROW<times BIGINT NOT NULL, orders ARRAY<BIGINT NOT NULL>>"
#define SEEN "ROW<total BIGINT NOT NULL, by_size MAP<INT, BIGINT>>"

enum { HISTORY = 5, SIZES = 5, WINDOW_MS = 1 << 30 };

FLINC_STRUCT(order, FLINC_INT64(key), FLINC_INT64(n), FLINC_INT64(at_ms),
             FLINC_NULLABLE(FLINC_NESTED(items, ITEMS)));
FLINC_STRUCT(line, FLINC_STRING(kind), FLINC_INT64(key), FLINC_INT64(n));
FLINC_STRUCT(settings, FLINC_INT64(keys));

/* ---- orders ------------------------------------------------------------------------------------ */

static bool has_items(int64_t n)
{
    return n % 7 != 0;
}

static int64_t items_of(int64_t n)
{
    return has_items(n) ? n % SIZES : 0;
}

static flinc_string text_of(char *text, size_t size, const char *what, int64_t n)
{
    return (flinc_string){text,
                          (size_t)snprintf(text, size, "%s of order %lld", what, (long long)n)};
}

/* The items of order n, as field `field` of a row: as a stream has them, or as the state does. */
static void put_items(flinc_row *r, uint32_t field, int64_t n)
{
    char text[64];

    if (!has_items(n)) {
        flinc_row_put_null(r, field);
        return;
    }
    flinc_row_begin(r, field);
    for (int64_t i = 0; i < items_of(n); i++) {
        flinc_row_begin(r, FLINC_NEXT);
        flinc_row_put_string(r, 0, text_of(text, sizeof(text), "item", n));
        flinc_row_begin(r, 1);
        for (int64_t k = 0; k < i; k++) {
            flinc_row_put_string(r, 0, text_of(text, sizeof(text), "piece", k));
            flinc_row_put_int64(r, 1, n % 1000 + k);
        }
        flinc_row_end(r);
        if (i % 2 == 0) {
            flinc_row_begin(r, 2);
            flinc_row_put_null(r, FLINC_NEXT);
            flinc_row_put_string(r, FLINC_NEXT, text_of(text, sizeof(text), "note", n));
            flinc_row_end(r);
        }
        flinc_row_end(r);
    }
    flinc_row_end(r);
}

static bool is_text(flinc_string s, const char *what, int64_t n)
{
    char text[64];
    flinc_string want = text_of(text, sizeof(text), what, n);

    return s.len == want.len && memcmp(s.data, want.data, s.len) == 0;
}

/* `name`, `pieces`, `notes`: which fields these are in an item; negative: there is none. */
static bool are_items(flinc_cells order, uint32_t field, int64_t n, int name, int pieces, int notes)
{
    bool good = flinc_cell_is_null(order, field) == !has_items(n);
    flinc_cells items = flinc_cell_nested(order, field);

    good = good && items.n == (uint32_t)items_of(n);
    for (uint32_t i = 0; i < items.n && good; i++) {
        flinc_cells item = flinc_cell_nested(items, i);
        flinc_cells keys = flinc_cell_nested(item, (uint32_t)pieces);
        flinc_cells values = flinc_cell_values(item, (uint32_t)pieces);

        good = is_text(flinc_cell_string(item, (uint32_t)name), "item", n) && keys.n == i;
        for (uint32_t k = 0; k < keys.n && good; k++) {
            good = is_text(flinc_cell_string(keys, k), "piece",
                           flinc_cell_int64(values, k) - n % 1000);
        }
        if (notes >= 0 && good) {
            flinc_cells texts = flinc_cell_nested(item, (uint32_t)notes);

            good = flinc_cell_is_null(item, (uint32_t)notes) == (i % 2 != 0) &&
                   texts.n == (i % 2 == 0 ? 2u : 0u) &&
                   (texts.n == 0 || (flinc_cell_is_null(texts, 0) &&
                                     is_text(flinc_cell_string(texts, 1), "note", n)));
        }
    }
    return good;
}

static int open_row(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_struct_row(ctx, FLINC_TYPE(order)));
    return 0;
}

static int make(flinc_ctx *ctx, int64_t index, order *out)
{
    const settings *s = flinc_ctx_config(ctx);
    flinc_row *r = flinc_ctx_user(ctx);
    int64_t n = index / s->keys + 1;

    flinc_row_clear(r);
    flinc_row_put_int64(r, 0, index % s->keys);
    flinc_row_put_int64(r, 1, n);
    flinc_row_put_int64(r, 2, index);
    put_items(r, 3, n);
    flinc_row_store(r, out);
    return 0;
}

/* An order of a stream, wherever it has been. */
static int check(flinc_ctx *ctx, flinc_row *r, const order *o, const char *where)
{
    flinc_row_read(r, o);
    if (!are_items(flinc_row_cells(r), 3, o->n, 0, 1, 2)) {
        return flinc_ctx_fail(ctx, "VIOLATION: order %lld of key %lld: %s", (long long)o->n,
                              (long long)o->key, where);
    }
    return 0;
}

static int emit(flinc_out *out, const char *kind, int64_t key, int64_t n)
{
    return FLINC_EMIT(out, line, .kind = FLINC_STR(kind), .key = key, .n = n);
}

/* ---- state ------------------------------------------------------------------------------------- */

struct keeper {
    flinc_row *in, *total, *order, *times, *size, *seen;
    flinc_value_state *totals;
    flinc_list_state *some;
    flinc_map_state *sizes;
    flinc_operator_list *items;
    int64_t counted, given;
    bool told;
};

static int open_keeper(flinc_ctx *ctx)
{
    struct keeper *k = calloc(1, sizeof(*k));

    flinc_ctx_set_user(ctx, k);
    k->in = flinc_ctx_struct_row(ctx, FLINC_TYPE(order));
    k->total = flinc_ctx_row(ctx, TOTAL);
    k->order = flinc_ctx_row(ctx, KEPT_ORDER);
    k->times = flinc_ctx_row(ctx, TIMES);
    k->size = flinc_ctx_row(ctx, "ROW<size INT NOT NULL>");
    k->seen = flinc_ctx_row(ctx, SEEN);
    k->totals = flinc_ctx_value_state(ctx, FLINC_STATE(.name = "total", .row = TOTAL));
    k->some = flinc_ctx_list_state(ctx, FLINC_STATE(.name = "some", .row = KEPT_ORDER));
    k->sizes = flinc_ctx_map_state(
        ctx, FLINC_STATE(.name = "sizes", .row = TIMES, .key_row = "ROW<size INT NOT NULL>"));
    k->items = flinc_ctx_operator_list(ctx, FLINC_STATE(.name = "seen", .row = SEEN));
    for (size_t i = 0; i < flinc_operator_list_len(k->items); i++) {
        flinc_row_read(k->seen, flinc_operator_list_get(k->items, i));
        flinc_cells counts = flinc_cell_values(flinc_row_cells(k->seen), 1);
        int64_t sum = 0;
        for (uint32_t c = 0; c < counts.n; c++) {
            sum += flinc_cell_int64(counts, c);
        }
        if (sum != flinc_row_int64(k->seen, 0)) {
            return flinc_ctx_fail(ctx, "VIOLATION: the operator list");
        }
        k->given += sum;
    }
    k->counted = k->given;
    return 0;
}

static void close_keeper(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

static int keep(flinc_ctx *ctx)
{
    struct keeper *k = flinc_ctx_user(ctx);

    flinc_row_clear(k->seen);
    flinc_row_put_int64(k->seen, 0, k->counted);
    flinc_row_begin(k->seen, 1);
    for (int64_t i = 0; i < 3; i++) {
        flinc_row_put_int64(k->seen, 0, i);
        flinc_row_put_int64(k->seen, 1, i == 0 ? k->counted - 2 : 1);
    }
    flinc_row_end(k->seen);
    flinc_operator_list_clear(k->items);
    return flinc_operator_list_add(k->items, flinc_row_record(k->seen));
}

#if VERSION < 3
/* The order as the state has it: in version 2 by other fields. */
static void put_kept(flinc_row *r, int64_t n)
{
#if VERSION == 1
    flinc_row_put_int64(r, 0, n);
    put_items(r, 1, n);
#else
    char text[64];

    flinc_row_put_int64(r, 0, n);
    if (!has_items(n)) {
        flinc_row_put_null(r, 1);
        return;
    }
    flinc_row_begin(r, 1);
    for (int64_t i = 0; i < items_of(n); i++) {
        flinc_row_begin(r, FLINC_NEXT);
        flinc_row_put_string(r, 2, text_of(text, sizeof(text), "item", n));
        flinc_row_begin(r, 1);
        for (int64_t k = 0; k < i; k++) {
            flinc_row_put_string(r, 0, text_of(text, sizeof(text), "piece", k));
            flinc_row_put_int64(r, 1, n % 1000 + k);
        }
        flinc_row_end(r);
        flinc_row_end(r);
    }
    flinc_row_end(r);
#endif
}

static bool is_kept(flinc_cells order)
{
    int64_t n = flinc_cell_int64(order, 0);

#if VERSION == 1
    return are_items(order, 1, n, 0, 1, 2);
#else
    return are_items(order, 1, n, 2, 1, -1);
#endif
}

static int64_t count(flinc_ctx *ctx, struct keeper *k, const order *in)
{
    flinc_row *r = k->total;
    bool is_there = flinc_row_read(r, flinc_value_get(k->totals));
    int64_t n = flinc_row_int64(r, 0) + 1;
    flinc_cells history = flinc_row_nested(r, 2), last = flinc_row_nested(r, 1);

    if (is_there && (!is_kept(last) || history.n != (n - 1 < HISTORY ? n - 1 : HISTORY) ||
                     flinc_cell_int64(history, history.n - 1) != flinc_cell_int64(last, 0))) {
        return flinc_ctx_fail(ctx, "VIOLATION: the total of key %lld at %lld", (long long)in->key,
                              (long long)n);
    }
    flinc_row_put_int64(r, 0, n);
    flinc_row_begin(r, 2);
    for (uint32_t i = history.n == HISTORY ? 1 : 0; i < history.n; i++) {
        flinc_row_put_cell(r, FLINC_NEXT, history, i);
    }
    flinc_row_put_int64(r, FLINC_NEXT, in->n);
    flinc_row_end(r);
    put_kept(k->order, in->n);
    flinc_row_begin(r, 1);
    flinc_row_put_int64(r, 0, in->n);
    flinc_row_put_cell(r, 1, flinc_row_cells(k->order), 1);
    flinc_row_end(r);
    flinc_value_set(k->totals, flinc_row_record(r));
    return n;
}

static int list_some(flinc_ctx *ctx, struct keeper *k, const order *in)
{
    const void *element;

    put_kept(k->order, in->n);
    flinc_list_add(k->some, flinc_row_record(k->order));
    flinc_list_begin(k->some);
    while ((element = flinc_list_next(k->some)) != NULL) {
        flinc_row_read(k->order, element);
        if (!is_kept(flinc_row_cells(k->order)) || flinc_row_int64(k->order, 0) % 11 != 0) {
            return flinc_ctx_fail(ctx, "VIOLATION: the list of key %lld", (long long)in->key);
        }
    }
    return 0;
}

/* All orders of this size. */
static int map_size(flinc_ctx *ctx, struct keeper *k, const order *in)
{
    flinc_cells orders;

    flinc_row_put_int64(k->size, 0, items_of(in->n));
    flinc_row_read(k->times, flinc_map_get(k->sizes, flinc_row_record(k->size)));
    orders = flinc_row_nested(k->times, 1);
    if (orders.n != flinc_row_int64(k->times, 0)) {
        return flinc_ctx_fail(ctx, "VIOLATION: the map of key %lld", (long long)in->key);
    }
    flinc_row_put_int64(k->times, 0, orders.n + 1);
    flinc_row_begin(k->times, 1);
    for (uint32_t i = 0; i < orders.n; i++) {
        if (items_of(flinc_cell_int64(orders, i)) != items_of(in->n)) {
            return flinc_ctx_fail(ctx, "VIOLATION: the map of key %lld", (long long)in->key);
        }
        flinc_row_put_cell(k->times, FLINC_NEXT, orders, i);
    }
    flinc_row_put_int64(k->times, FLINC_NEXT, in->n);
    flinc_row_end(k->times);
    return flinc_map_put(k->sizes, flinc_row_record(k->size), flinc_row_record(k->times));
}

static int visit(flinc_ctx *ctx, const order *in, flinc_out *out)
{
    struct keeper *k = flinc_ctx_user(ctx);
    int64_t n;

    if (!k->told) {
        k->told = true;
        emit(out, "L", flinc_ctx_subtask(ctx), k->given);
    }
    k->counted++;
    if (check(ctx, k->in, in, "in the stream") < 0 || (n = count(ctx, k, in)) < 0 ||
        map_size(ctx, k, in) < 0 || (in->n % 11 == 0 && list_some(ctx, k, in) < 0)) {
        return -1;
    }
    return emit(out, "R", in->key, n);
}
#else
static int visit(flinc_ctx *ctx, const order *in, flinc_out *out)
{
    return flinc_ctx_fail(ctx, "VIOLATION: the state cannot have been restored");
}
#endif

/* ---- windows and joins ------------------------------------------------------------------------- */

static int check_pane(flinc_ctx *ctx, const flinc_pane *pane, const char *where)
{
    for (size_t i = 0; i < pane->n; i++) {
        if (check(ctx, flinc_ctx_user(ctx), FLINC_PANE_RECORD(pane, order, i), where) < 0) {
            return -1;
        }
    }
    return 0;
}

static int all_orders(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    int rc = check_pane(ctx, pane, "in a window");
    return rc < 0 ? rc : emit(out, "W", FLINC_PANE_RECORD(pane, order, 0)->key, (int64_t)pane->n);
}

static int some_orders(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    int rc = check_pane(ctx, pane, "behind an evictor");
    return rc < 0 ? rc : emit(out, "E", FLINC_PANE_RECORD(pane, order, 0)->key, (int64_t)pane->n);
}

static int itself(flinc_ctx *ctx, const order *a, const order *b, flinc_out *out)
{
    flinc_row *r = flinc_ctx_user(ctx);
    int rc = check(ctx, r, a, "joined");

    rc = rc < 0 ? rc : check(ctx, r, b, "joined");
    return rc < 0 ? rc : emit(out, "J", a->key, b->n);
}

static int both(flinc_ctx *ctx, const flinc_pane *a, const flinc_pane *b, flinc_out *out)
{
    if (check_pane(ctx, a, "in a group") < 0 || check_pane(ctx, b, "in a group") < 0) {
        return -1;
    }
    return emit(out, "C", FLINC_PANE_RECORD(a->n > 0 ? a : b, order, 0)->key,
                (int64_t)(a->n + b->n));
}

static int greatest(flinc_ctx *ctx, const order *in, flinc_out *out)
{
    int rc = check(ctx, flinc_ctx_user(ctx), in, "as the greatest");
    return rc < 0 ? rc : emit(out, "M", in->key, in->n);
}

static int format(flinc_ctx *ctx, const line *in, flinc_text *out)
{
    flinc_text_append(out, in->kind.data, in->kind.len);
    flinc_text_printf(out, " %lld %lld", (long long)in->key, (long long)in->n);
    return 0;
}

static int nested(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records", "keys", "rate", "output", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 60)};
    const flinc_window_options window = FLINC_WINDOW(.assigner = FLINC_TUMBLING(WINDOW_MS));
    flinc_window_options evicting = window;

    evicting.evictor = FLINC_KEEP_LAST(5);
    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *orders = flinc_uid(
        flinc_from_datagen(
            env,
            FLINC_DATAGEN(.generate = FLINC_FUNCTION(make, .open = open_row, .config = &s,
                                                     .config_size = sizeof(s)),
                          .type = FLINC_TYPE(order), .count = flinc_params_int(p, "records", -1),
                          .rows_per_second = (double)flinc_params_int(p, "rate", 0))),
        "orders");
    flinc_stream *keyed = flinc_key_by(
        flinc_uid(flinc_assign_timestamps(orders,
                                          FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED,
                                                           .max_out_of_orderness_ms = WINDOW_MS / 4,
                                                           .timestamp = "at_ms")),
                  "times"),
        "key");
    flinc_stream *kept =
        flinc_uid(flinc_process(keyed,
                                FLINC_FUNCTION(visit, .open = open_keeper, .close = close_keeper,
                                               .snapshot = keep),
                                FLINC_TYPE(line)),
                  "kept");
    flinc_stream *all = flinc_uid(flinc_window_process(flinc_window(keyed, window),
                                                       FLINC_FUNCTION(all_orders, .open = open_row),
                                                       FLINC_TYPE(line)),
                                  "all");
    flinc_stream *some = flinc_uid(
        flinc_window_process(flinc_window(keyed, evicting),
                             FLINC_FUNCTION(some_orders, .open = open_row), FLINC_TYPE(line)),
        "some");
    flinc_stream *joined =
        flinc_uid(flinc_interval_join(keyed, keyed, FLINC_INTERVAL(.lower_ms = 0, .upper_ms = 0),
                                      FLINC_FUNCTION(itself, .open = open_row), FLINC_TYPE(line)),
                  "joined");
    flinc_stream *grouped =
        flinc_uid(flinc_co_group(keyed, keyed, window, FLINC_FUNCTION(both, .open = open_row),
                                 FLINC_TYPE(line)),
                  "grouped");
    flinc_stream *most =
        flinc_flat_map(flinc_uid(flinc_max_by(keyed, "n"), "most"),
                       FLINC_FUNCTION(greatest, .open = open_row), FLINC_TYPE(line));
    flinc_stream *lines = flinc_union(flinc_union(flinc_union(flinc_name(kept, "Kept"), all), most),
                                      flinc_union(flinc_union(some, joined), grouped));
    flinc_uid(flinc_write_text(lines, FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", ""),
                                                      .format = FLINC_FN(format))),
              "lines");
    return flinc_env_execute(env, "Nested");
}
FLINC_JOB(nested)
