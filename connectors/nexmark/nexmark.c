/* The nexmark connector: options, the table's columns, what is pushed into the scan; see README.md. */
#include "connectors/nexmark/nexmark.h"

#include "connectors/nexmark/generator.h"
#include "engine/table/options.h"

enum { NEXMARK_COLUMNS = 4 };
static const char *const column_names[NEXMARK_COLUMNS] = {"person", "auction", "bid", "event_type"};

static const struct conf_option nexmark_options[] = {
    {"events.num", CONF_TYPE_LONG, "0", .min = "0",
     .description = "How many events there are in all; 0: no end.", .flags = CONF_FLAG_EFFECTIVE},
    {"first-event.rate", CONF_TYPE_INT, "10000", .min = "1",
     .description = "Events per second of event time.", .flags = CONF_FLAG_EFFECTIVE},
    {"next-event.rate", CONF_TYPE_INT, "10000", .min = "1",
     .description = "Without effect, as in the suite.", .flags = CONF_FLAG_EFFECTIVE},
    {"rate.shape", CONF_TYPE_ENUM, "SQUARE", .enum_values = "SQUARE|SINE",
     .description = "Without effect, as in the suite.", .flags = CONF_FLAG_EFFECTIVE},
    {"rate.period", CONF_TYPE_DURATION, "10 min", .description = "Without effect, as in the suite.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"rate.limited", CONF_TYPE_BOOL, "false",
     .description = "Real time goes as event time does: `rate-limit` is `first-event.rate`.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"person.proportion", CONF_TYPE_INT, "1", .min = "1", .max = "1000000",
     .description = "Of all events.", .flags = CONF_FLAG_EFFECTIVE},
    {"auction.proportion", CONF_TYPE_INT, "3", .min = "1", .max = "1000000",
     .description = "Of all events.", .flags = CONF_FLAG_EFFECTIVE},
    {"bid.proportion", CONF_TYPE_INT, "46", .min = "1", .max = "1000000",
     .description = "Of all events.", .flags = CONF_FLAG_EFFECTIVE},
    {"person.avg-size", CONF_TYPE_MEMORY, "200 b", .max = "512 kb",
     .description = "About so large is a person; `extra` makes it so.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"auction.avg-size", CONF_TYPE_MEMORY, "500 b", .max = "512 kb",
     .description = "About so large is an auction.", .flags = CONF_FLAG_EFFECTIVE},
    {"bid.avg-size", CONF_TYPE_MEMORY, "100 b", .max = "512 kb",
     .description = "About so large is a bid.", .flags = CONF_FLAG_EFFECTIVE},
    {"bid.hot-ratio.auctions", CONF_TYPE_INT, "2", .min = "1",
     .description = "All bids but one in so many go to the hot auction.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"bid.hot-ratio.bidders", CONF_TYPE_INT, "4", .min = "1",
     .description = "All bids but one in so many are of the hot bidder.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"auction.hot-ratio.sellers", CONF_TYPE_INT, "4", .min = "1",
     .description = "All auctions but one in so many are of the hot seller.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"keep-alive", CONF_TYPE_BOOL, "false",
     .description = "Behind the last event the source waits for ever, and the job goes on.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"base-time", CONF_TYPE_LONG, "1700006350000",
     .description = "Event time at the start, in milliseconds since 1970.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"seed", CONF_TYPE_LONG, "0", .description = "Another one gives other events.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"rate-limit", CONF_TYPE_DOUBLE, .min = "0.001",
     .description = "Events per second of real time, of all subtasks together. Without it as many "
                    "as possible.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"scan.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the source.",
     .flags = CONF_FLAG_EFFECTIVE},
};
static const struct conf_group nexmark_group = CONF_GROUP("nexmark", nexmark_options);
static const struct conf_group *const nexmark_groups[] = {&table_options_common, &nexmark_group};
static struct conf_schema nexmark_schema = CONF_SCHEMA_INIT(nexmark_groups);

/* ---- columns --------------------------------------------------------------------------------------- */

/* Which of column_names it is: a kind of event, NEXMARK_KINDS for event_type; -1: none. */
static int column_kind(const char *name)
{
    for (int i = 0; i < NEXMARK_COLUMNS; i++) {
        if (strcmp(column_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* A leaf by its name; -1: none. */
static int find_field(int kind, const char *name)
{
    for (int f = 0; f < NEXMARK_FIELDS; f++) {
        if ((int)nexmark_field_kind(f) == kind && strcmp(nexmark_field_name(f), name) == 0) {
            return f;
        }
    }
    return -1;
}

static bool is_time(int field)
{
    return field == NEXMARK_PERSON_TIME || field == NEXMARK_AUCTION_TIME ||
           field == NEXMARK_AUCTION_EXPIRES || field == NEXMARK_BID_TIME;
}

static bool type_fits(int field, const struct data_type *type)
{
    switch (nexmark_field_layout(field)) {
    case LAYOUT_I32:
        return type->id == TYPE_INTEGER;
    case LAYOUT_VIEW:
        return type->id == TYPE_VARCHAR;
    default:
        return is_time(field) ? type->id == TYPE_TIMESTAMP && type->layout == LAYOUT_I64 &&
                                    type->precision <= 3
                              : type->id == TYPE_BIGINT;
    }
}

static const char *wanted_type(int field)
{
    switch (nexmark_field_layout(field)) {
    case LAYOUT_I32:
        return "INT";
    case LAYOUT_VIEW:
        return "VARCHAR";
    default:
        return is_time(field) ? "TIMESTAMP(3)" : "BIGINT";
    }
}

static int check_leaf(int field, const char *column, const char *name, const struct data_type *type,
                      struct error *err)
{
    STR_AUTO shown = STR_INIT;

    if (field >= 0 && type_fits(field, type)) {
        return 0;
    }
    type_print(type, &shown);
    if (field < 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "column '%s' has no field '%s' in a nexmark table", column, name);
    }
    return error_set(err, ERR_INVALID_CONFIG, "%s '%s' of a nexmark table is %s, not %s",
                     strcmp(column, name) == 0 ? "column" : "field", name, wanted_type(field),
                     str_cstr(&shown));
}

static int check_column(const struct field *f, struct error *err)
{
    int kind = column_kind(f->name);

    if (kind < 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "a nexmark table has the columns event_type, person, auction and bid, not "
                         "'%s'",
                         f->name);
    }
    if (kind == NEXMARK_KINDS) {
        return check_leaf(NEXMARK_EVENT_TYPE, f->name, f->name, f->type, err);
    }
    if (f->type->id != TYPE_ROW || !f->type->nullable || f->type->n_children == 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "column '%s' of a nexmark table is a ROW that may be NULL", f->name);
    }
    for (uint32_t i = 0; i < f->type->n_children; i++) {
        TRY(check_leaf(find_field(kind, f->type->names[i]), f->name, f->type->names[i],
                       f->type->children[i], err));
    }
    return 0;
}

static int nexmark_validate(const struct table *t, struct error *err)
{
    for (uint32_t i = 0; i < t->schema->n_fields; i++) {
        TRY(check_column(&t->schema->fields[i], err));
    }
    return 0;
}

/* ---- filters --------------------------------------------------------------------------------------- */

static bool compares(enum table_compare compare, int64_t a, int64_t b)
{
    switch (compare) {
    case TABLE_EQ:
    case TABLE_IN:
        return a == b;
    case TABLE_NE:
        return a != b;
    case TABLE_LT:
        return a < b;
    case TABLE_LE:
        return a <= b;
    case TABLE_GT:
        return a > b;
    case TABLE_GE:
        return a >= b;
    default:
        return false;
    }
}

/* Rows of the kinds in `ret` are those that the predicate holds for.  False: it is about something else. */
static bool kinds_of(const struct table *t, const struct table_predicate *p, uint32_t *ret)
{
    bool is_null = p->compare == TABLE_IS_NULL,
         by_null = is_null || p->compare == TABLE_IS_NOT_NULL;
    int column = column_kind(t->schema->fields[p->column.fields[0]].name);
    uint32_t all = (1u << NEXMARK_KINDS) - 1;

    if (p->column.n != 1) {
        return false;
    }
    if (column != NEXMARK_KINDS) {
        *ret = is_null ? all & ~(1u << column) : 1u << column;
        return by_null;
    }
    *ret = p->compare == TABLE_IS_NOT_NULL ? all : 0;
    for (int64_t kind = 0; kind < NEXMARK_KINDS; kind++) {
        for (uint32_t i = 0; i < p->n_values; i++) {
            *ret |= (uint32_t)compares(p->compare, kind, p->values[i].whole) << kind;
        }
    }
    return true;
}

static int nexmark_push_filters(const struct table *t, const struct table_predicate *predicates,
                                uint32_t n, bool *ret_taken, struct error *err)
{
    uint32_t kinds;

    (void)err;
    for (uint32_t i = 0; i < n; i++) {
        ret_taken[i] = kinds_of(t, &predicates[i], &kinds);
    }
    return 0;
}

static uint32_t scan_kinds(const struct table *t, const struct table_scan *scan)
{
    uint32_t ret = (1u << NEXMARK_KINDS) - 1, kinds;

    for (uint32_t i = 0; i < scan->n_filters; i++) {
        if (kinds_of(t, &scan->filters[i], &kinds)) {
            ret &= kinds;
        }
    }
    return ret;
}

/* ---- the plan -------------------------------------------------------------------------------------- */

static void plan_column(const struct table *t, const struct table_path *path, struct arena *arena,
                        Flinc__TableColumn *ret)
{
    const struct field *f = &t->schema->fields[path->fields[0]];
    int kind = column_kind(f->name);

    ret->is_row = path->n == 1 && kind != NEXMARK_KINDS;
    ret->n_fields = ret->is_row ? f->type->n_children : 1;
    ret->fields = arena_alloc(arena, sizeof(*ret->fields) * ret->n_fields);
    for (uint32_t i = 0; i < ret->n_fields; i++) {
        const char *name = ret->is_row    ? f->type->names[i]
                           : path->n == 1 ? f->name
                                          : f->type->names[path->fields[1]];
        ret->fields[i] = (uint32_t)find_field(kind, name);
    }
}

static void plan_columns(const struct table *t, const struct table_scan *scan, struct arena *arena,
                         Flinc__NexmarkSourceConfig *c)
{
    c->n_columns = scan->columns != NULL ? scan->n_columns : t->schema->n_fields;
    c->columns = arena_alloc(arena, sizeof(*c->columns) * (c->n_columns + 1));
    for (uint32_t i = 0; i < c->n_columns; i++) {
        const struct table_path whole = {1, {i}};
        c->columns[i] = arena_alloc(arena, sizeof(**c->columns));
        flinc__table_column__init(c->columns[i]);
        plan_column(t, scan->columns != NULL ? &scan->columns[i] : &whole, arena, c->columns[i]);
    }
}

static double real_rate(const struct conf *o)
{
    if (conf_has(o, "rate-limit")) {
        return conf_double(o, "rate-limit");
    }
    return conf_bool(o, "rate.limited") ? conf_int(o, "first-event.rate") : 0;
}

static bool nexmark_is_bounded(const struct table *t)
{
    return conf_long(&t->options->conf, "events.num") > 0 &&
           !conf_bool(&t->options->conf, "keep-alive");
}

static double nexmark_row_count(const struct table *t, const struct table_scan *scan)
{
    static const char *const proportions[NEXMARK_KINDS] = {"person.proportion",
                                                           "auction.proportion", "bid.proportion"};
    const struct conf *o = &t->options->conf;
    double some = 0, all = 0;

    for (int kind = 0; kind < NEXMARK_KINDS; kind++) {
        int32_t proportion = conf_int(o, proportions[kind]);
        all += proportion;
        some += (scan_kinds(t, scan) >> kind & 1) != 0 ? proportion : 0;
    }
    int64_t events = conf_long(o, "events.num");
    return events > 0 ? (double)events * some / all : -1;
}

static int nexmark_plan(const struct table *t, const struct table_scan *scan, struct arena *arena,
                        struct table_node *ret, struct error *err)
{
    const struct conf *o = &t->options->conf;
    Flinc__NexmarkSourceConfig c = FLINC__NEXMARK_SOURCE_CONFIG__INIT;

    (void)err;
    plan_columns(t, scan, arena, &c);
    c.kinds = scan_kinds(t, scan);
    c.events = conf_long(o, "events.num");
    c.base_time_ms = conf_long(o, "base-time");
    c.seed = (uint64_t)conf_long(o, "seed");
    c.rate = conf_int(o, "first-event.rate");
    c.real_rate = real_rate(o);
    c.person_proportion = conf_int(o, "person.proportion");
    c.auction_proportion = conf_int(o, "auction.proportion");
    c.bid_proportion = conf_int(o, "bid.proportion");
    c.person_bytes = (int32_t)conf_memory(o, "person.avg-size");
    c.auction_bytes = (int32_t)conf_memory(o, "auction.avg-size");
    c.bid_bytes = (int32_t)conf_memory(o, "bid.avg-size");
    c.hot_auctions = conf_int(o, "bid.hot-ratio.auctions");
    c.hot_bidders = conf_int(o, "bid.hot-ratio.bidders");
    c.hot_sellers = conf_int(o, "auction.hot-ratio.sellers");
    c.keep_alive = conf_bool(o, "keep-alive");
    ret->kind = operator_table_nexmark.kind;
    table_node_set_config(ret, arena, &c.base);
    return 0;
}

static const struct table_source nexmark_source = {
    .abilities = TABLE_PROJECTION | TABLE_NESTED_PROJECTION | TABLE_FILTER,
    .is_bounded = nexmark_is_bounded,
    .push_filters = nexmark_push_filters,
    .row_count = nexmark_row_count,
    .plan = nexmark_plan,
};
static const struct operator_desc *const nexmark_operators[] = {&operator_table_nexmark};

const struct table_connector connector_nexmark = {
    .struct_size = sizeof(struct table_connector),
    .version = TABLE_CONNECTOR_VERSION,
    .identifier = "nexmark",
    .summary = "the persons, auctions and bids of the Nexmark benchmark",
    .options = &nexmark_schema,
    .validate = nexmark_validate,
    .source = &nexmark_source,
    .operators = nexmark_operators,
    .n_operators = ARRAY_LEN(nexmark_operators),
};
