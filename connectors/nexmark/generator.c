/* Events into batches; see generator.h. */
#include "connectors/nexmark/generator.h"

#include <math.h>

static const struct {
    const char *name;
    uint8_t kind, layout;
    uint8_t heap_bytes; /* of a row; 0: shared or inline */
} fields[NEXMARK_FIELDS] = {
    [NEXMARK_EVENT_TYPE] = {"event_type", NEXMARK_KINDS, LAYOUT_I32, 0},
    [NEXMARK_PERSON_ID] = {"id", NEXMARK_PERSON, LAYOUT_I64, 0},
    [NEXMARK_PERSON_NAME] = {"name", NEXMARK_PERSON, LAYOUT_VIEW, 0},
    [NEXMARK_PERSON_EMAIL] = {"emailAddress", NEXMARK_PERSON, LAYOUT_VIEW, NEXMARK_EMAIL_BYTES},
    [NEXMARK_PERSON_CARD] = {"creditCard", NEXMARK_PERSON, LAYOUT_VIEW, NEXMARK_CARD_BYTES},
    [NEXMARK_PERSON_CITY] = {"city", NEXMARK_PERSON, LAYOUT_VIEW, 0},
    [NEXMARK_PERSON_STATE] = {"state", NEXMARK_PERSON, LAYOUT_VIEW, 0},
    [NEXMARK_PERSON_TIME] = {"dateTime", NEXMARK_PERSON, LAYOUT_I64, 0},
    [NEXMARK_PERSON_EXTRA] = {"extra", NEXMARK_PERSON, LAYOUT_VIEW, 0},
    [NEXMARK_AUCTION_ID] = {"id", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_ITEM] = {"itemName", NEXMARK_AUCTION, LAYOUT_VIEW, NEXMARK_ITEM_BYTES},
    [NEXMARK_AUCTION_DESCRIPTION] = {"description", NEXMARK_AUCTION, LAYOUT_VIEW,
                                     NEXMARK_DESCRIPTION_BYTES},
    [NEXMARK_AUCTION_INITIAL] = {"initialBid", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_RESERVE] = {"reserve", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_TIME] = {"dateTime", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_EXPIRES] = {"expires", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_SELLER] = {"seller", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_CATEGORY] = {"category", NEXMARK_AUCTION, LAYOUT_I64, 0},
    [NEXMARK_AUCTION_EXTRA] = {"extra", NEXMARK_AUCTION, LAYOUT_VIEW, 0},
    [NEXMARK_BID_AUCTION] = {"auction", NEXMARK_BID, LAYOUT_I64, 0},
    [NEXMARK_BID_BIDDER] = {"bidder", NEXMARK_BID, LAYOUT_I64, 0},
    [NEXMARK_BID_PRICE] = {"price", NEXMARK_BID, LAYOUT_I64, 0},
    [NEXMARK_BID_CHANNEL] = {"channel", NEXMARK_BID, LAYOUT_VIEW, 0},
    [NEXMARK_BID_URL] = {"url", NEXMARK_BID, LAYOUT_VIEW, 0},
    [NEXMARK_BID_TIME] = {"dateTime", NEXMARK_BID, LAYOUT_I64, 0},
    [NEXMARK_BID_EXTRA] = {"extra", NEXMARK_BID, LAYOUT_VIEW, 0},
};

enum { BID_BYTES = 32 }; /* beside extra, as the suite counts */

enum nexmark_kind nexmark_field_kind(enum nexmark_field field)
{
    return fields[field].kind;
}

enum type_layout nexmark_field_layout(enum nexmark_field field)
{
    return fields[field].layout;
}

const char *nexmark_field_name(enum nexmark_field field)
{
    return fields[field].name;
}

/* ---- what is wanted -------------------------------------------------------------------------------- */

static int damaged(struct error *err)
{
    return error_set(err, ERR_INVALID_CONFIG, "the columns of the nexmark source are damaged");
}

static int check_column(const struct data_type *type, const Flinc__TableColumn *c,
                        struct error *err)
{
    uint32_t n = c->is_row ? type->n_children : 1;

    if (c->n_fields != n || n == 0 || (c->is_row && type->layout != LAYOUT_STRUCT)) {
        return damaged(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct data_type *leaf = c->is_row ? type->children[i] : type;
        if (c->fields[i] >= NEXMARK_FIELDS || leaf->layout != fields[c->fields[i]].layout ||
            (c->is_row && fields[c->fields[i]].kind != fields[c->fields[0]].kind)) {
            return damaged(err);
        }
    }
    return 0;
}

static int read_columns(struct nexmark_generator *g, struct error *err)
{
    const Flinc__NexmarkSourceConfig *c = g->config;

    if (c->n_columns != g->schema->n_fields || c->kinds >= 1u << NEXMARK_KINDS) {
        return damaged(err);
    }
    for (uint32_t i = 0; i < c->n_columns; i++) {
        TRY(check_column(g->schema->fields[i].type, c->columns[i], err));
        for (size_t k = 0; k < c->columns[i]->n_fields; k++) {
            uint32_t field = c->columns[i]->fields[k];
            uint32_t kind = fields[field].kind;
            bool made = kind == NEXMARK_KINDS || (c->kinds >> kind & 1) != 0;
            g->out.wanted |= made ? UINT32_C(1) << field : 0;
        }
    }
    return 0;
}

/* All sizes that `extra` of a bid may have, each with its choice of places. */
static void prepare_bid_extra(struct nexmark_generator *g)
{
    int32_t missing = g->model.bid_bytes - BID_BYTES;

    if (missing < 0) {
        g->out.bid_extra_least = -1;
        return;
    }
    uint32_t delta = (uint32_t)floor(missing * 0.2 + 0.5);
    uint32_t n = MAX(2 * delta, 1u), least = (uint32_t)missing - delta;
    g->out.bid_extra_least = (int32_t)least;
    g->out.bid_extra_sizes = random_bound_of(n);
    g->places = MEM_NEW_ARRAY(struct random_bound, n);
    for (uint32_t i = 0; i < n; i++) {
        g->places[i] = random_bound_of(NEXMARK_POOL_BYTES - least - i);
    }
    g->out.bid_extra_places = g->places;
}

int nexmark_generator_init(struct nexmark_generator *g, struct buffer_pool *pool,
                           const struct schema *schema, Flinc__NexmarkSourceConfig *config,
                           uint32_t rows_max, struct error *err)
{
    ASSERT(rows_max <= BATCH_ROWS_MAX);
    memset(g, 0, sizeof(*g));
    g->pool = pool;
    g->schema = schema_ref(schema);
    g->config = config;
    g->kinds = config->kinds;
    g->is_mixed = (g->kinds & (g->kinds - 1)) != 0;
    g->rows_max = rows_max;
    g->out.texts = nexmark_texts_get();
    TRY(nexmark_model_init(&g->model, config, err));
    TRY(read_columns(g, err));
    prepare_bid_extra(g);
    return 0;
}

static void drop_buffers(struct nexmark_generator *g)
{
    for (int f = 0; f < NEXMARK_FIELDS; f++) {
        g->values[f] = buffer_unref(g->values[f]);
        g->heaps[f] = buffer_unref(g->heaps[f]);
        g->out.values[f] = NULL;
    }
    for (int k = 0; k < NEXMARK_KINDS; k++) {
        g->validity[k] = buffer_unref(g->validity[k]);
    }
    g->n_rows = 0;
}

void nexmark_generator_fini(struct nexmark_generator *g)
{
    drop_buffers(g);
    schema_unref(g->schema);
    mem_free(g->places);
}

/* ---- making rows ----------------------------------------------------------------------------------- */

static uint32_t width_of(enum nexmark_field field)
{
    return fields[field].layout == LAYOUT_VIEW  ? sizeof(struct view)
           : fields[field].layout == LAYOUT_I32 ? sizeof(int32_t)
                                                : sizeof(int64_t);
}

/* Rows of other kinds hold zeros: an empty text, a number. */
static void begin(struct nexmark_generator *g)
{
    for (int f = 0; f < NEXMARK_FIELDS; f++) {
        if ((g->out.wanted >> f & 1) == 0) {
            continue;
        }
        uint64_t bytes = (uint64_t)g->rows_max * width_of(f);
        g->values[f] = buffer_get(g->pool, bytes);
        g->out.values[f] = g->values[f]->data;
        if (g->is_mixed && fields[f].kind != NEXMARK_KINDS) {
            memset(g->values[f]->data, 0, bytes);
        }
        if (fields[f].heap_bytes > 0) {
            g->heaps[f] = buffer_get(g->pool, (uint64_t)g->rows_max * fields[f].heap_bytes);
            g->out.heap[f] = (char *)g->heaps[f]->data;
            g->out.used[f] = 0;
        }
    }
}

/* Where a kind begins and ends in a round. */
static int64_t end_of(const struct nexmark_model *m, enum nexmark_kind kind)
{
    return kind == NEXMARK_PERSON    ? m->persons
           : kind == NEXMARK_AUCTION ? (int64_t)m->persons + m->auctions
                                     : m->total;
}

static enum nexmark_kind kind_at(const struct nexmark_model *m, int64_t offset)
{
    return offset < m->persons                 ? NEXMARK_PERSON
           : offset < m->persons + m->auctions ? NEXMARK_AUCTION
                                               : NEXMARK_BID;
}

static void add_run(struct nexmark_generator *g, enum nexmark_kind kind,
                    const struct nexmark_run *run)
{
    static void (*const make[NEXMARK_KINDS])(const struct nexmark_model *, struct nexmark_out *,
                                             const struct nexmark_run *) = {
        nexmark_persons, nexmark_auctions, nexmark_bids};

    memset(g->kind_of_row + run->row, (int)kind, run->n);
    make[kind](&g->model, &g->out, run);
    g->rows_made[kind] += run->n;
}

uint32_t nexmark_generator_rows(const struct nexmark_generator *g, int64_t k, uint32_t n)
{
    int64_t rows = 0;

    for (enum nexmark_kind kind = 0; kind < NEXMARK_KINDS; kind++) {
        if ((g->kinds >> kind & 1) != 0) {
            rows += nexmark_count(&g->model, kind, k + n) - nexmark_count(&g->model, kind, k);
        }
    }
    return (uint32_t)rows;
}

void nexmark_generator_add(struct nexmark_generator *g, int64_t k, uint32_t n)
{
    struct nexmark_run run = {.id = nexmark_id(k)};

    if (g->n_rows == 0) {
        begin(g);
    }
    run.epoch = run.id / g->model.total;
    run.offset = run.id % g->model.total;
    for (uint32_t left = n; left > 0; left -= run.n) {
        enum nexmark_kind kind = kind_at(&g->model, run.offset);
        run.n = (uint32_t)MIN((int64_t)left, end_of(&g->model, kind) - run.offset);
        if ((g->kinds >> kind & 1) != 0) {
            ASSERT(g->n_rows + run.n <= g->rows_max);
            run.row = g->n_rows;
            add_run(g, kind, &run);
            g->n_rows += run.n;
        }
        run.id += run.n;
        run.offset += run.n;
        if (run.offset == g->model.total) {
            run.offset = 0;
            run.epoch++;
        }
    }
}

/* ---- the batch ------------------------------------------------------------------------------------- */

static void fill_event_types(const struct nexmark_generator *g, int32_t *restrict types)
{
    for (uint32_t i = 0; i < g->n_rows; i++) {
        types[i] = g->kind_of_row[i];
    }
}

/* Bits of the rows of a kind. */
static struct buffer *validity_of(struct nexmark_generator *g, enum nexmark_kind kind)
{
    if (g->validity[kind] == NULL) {
        uint32_t bytes = (g->n_rows + 7) / 8;
        struct buffer *b = buffer_get(g->pool, bytes);
        memset(g->kind_of_row + g->n_rows, NEXMARK_KINDS, 8 * bytes - g->n_rows);
        for (uint32_t i = 0; i < bytes; i++) {
            const uint8_t *of = g->kind_of_row + 8 * (size_t)i;
            uint32_t bits = 0;
            for (uint32_t bit = 0; bit < 8; bit++) {
                bits |= (uint32_t)(of[bit] == kind) << bit;
            }
            b->data[i] = (uint8_t)bits;
        }
        b->size = bytes;
        g->validity[kind] = b;
    }
    return buffer_ref(g->validity[kind]);
}

static struct buffer *data_of(const struct nexmark_generator *g, enum nexmark_field field)
{
    switch (field) {
    case NEXMARK_PERSON_EXTRA:
    case NEXMARK_AUCTION_EXTRA:
    case NEXMARK_BID_EXTRA:
        return g->out.texts->pool_buffer;
    case NEXMARK_BID_URL:
        return g->out.texts->urls_buffer;
    case NEXMARK_PERSON_NAME:
    case NEXMARK_PERSON_CITY:
        return g->out.texts->words_buffer;
    default:
        return g->heaps[field];
    }
}

static void set_leaf(struct nexmark_generator *g, struct column *c, enum nexmark_field field)
{
    struct buffer *data = data_of(g, field);

    column_set_values(c, buffer_ref(g->values[field]));
    if (data != NULL) {
        column_add_data(g->pool, c, buffer_ref(data));
    }
    if (g->is_mixed && fields[field].kind != NEXMARK_KINDS) {
        column_set_validity(c, validity_of(g, fields[field].kind));
    }
}

static void set_column(struct nexmark_generator *g, struct column *c,
                       const Flinc__TableColumn *from)
{
    uint32_t kind = fields[from->fields[0]].kind;

    if (kind != NEXMARK_KINDS && (g->kinds >> kind & 1) == 0) {
        column_fill_nulls(g->pool, c, g->n_rows);
        return;
    }
    if (!from->is_row) {
        set_leaf(g, c, from->fields[0]);
        return;
    }
    for (uint32_t i = 0; i < from->n_fields; i++) {
        set_leaf(g, &c->children[i], from->fields[i]);
    }
    if (g->is_mixed) {
        column_set_validity(c, validity_of(g, kind));
    }
}

static void set_sizes(struct nexmark_generator *g)
{
    for (int f = 0; f < NEXMARK_FIELDS; f++) {
        if (g->values[f] != NULL) {
            g->values[f]->size = (uint64_t)g->n_rows * width_of(f);
        }
        if (g->heaps[f] != NULL) {
            g->heaps[f]->size = (uint64_t)g->out.used[f];
        }
    }
    if (g->values[NEXMARK_EVENT_TYPE] != NULL) {
        fill_event_types(g, g->out.values[NEXMARK_EVENT_TYPE]);
    }
}

struct batch *nexmark_generator_take(struct nexmark_generator *g)
{
    if (g->n_rows == 0) {
        return NULL;
    }
    struct batch *b = batch_new(g->pool, g->schema);
    b->n_rows = b->n_sel = g->n_rows;
    set_sizes(g);
    for (uint32_t i = 0; i < b->n_columns; i++) {
        set_column(g, &b->columns[i], g->config->columns[i]);
    }
    drop_buffers(g);
    return b;
}
